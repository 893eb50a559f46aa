"""Accounts and what belongs to them, put together: beside app.Services, because these modules are read only when they
are needed.
"""

from pathlib import Path
from typing import NamedTuple

from .config import Config
from .config.options import MailConfig
from .db import Database
from .domain.accounts.account_lists import AccountLists
from .domain.accounts.accounts import Accounts
from .domain.accounts.htpasswd import Htpasswd
from .domain.accounts.invitations import Invitations
from .domain.accounts.organizations import Organizations
from .domain.accounts.preferences import UserPreferences
from .domain.accounts.registration import Registrations
from .domain.accounts.robots import Robots
from .domain.accounts.teams import Teams
from .domain.audit import Audit
from .domain.content.manifests import Manifests
from .domain.content.repository_deletion import RepositoryDeletion
from .domain.content.tags import Tags
from .domain.credentials.access_tokens import AccessTokens
from .domain.credentials.logins import Logins
from .domain.credentials.one_time import OneTimeTokens
from .domain.credentials.passwords import Passwords
from .domain.credentials.resets import PasswordResets
from .domain.credentials.sessions import Sessions
from .domain.credentials.signing_keys import SigningKeys
from .domain.credentials.throttle import Rate, Throttle
from .domain.health import HealthSummary
from .domain.namespace_audit import NamespaceAudit
from .domain.quotas.quota_settings import QuotaSettings
from .domain.quotas.quotas import Quotas
from .domain.rights.grants import Grants
from .domain.rights.principals import Principals
from .domain.rights.repository_settings import RepositorySettings
from .domain.social.comments import Comments
from .domain.social.readmes import Readmes
from .domain.social.stars import Stars
from .domain.uploads.open_uploads import OpenUploads

# How many changes one account may make by the API, at each worker: so many at once, then one in so many seconds.
# Administrators may make more, for programs that set up many things at once.
CHANGES, ADMINISTRATORS_CHANGES = (60, 1.0), (600, 0.1)
# How many searches one account may make, and one network without an account, in the same way. Few of them can run at a
# time.
SEARCHES, SIGNED_OUT_SEARCHES = (300, 0.2), (60, 1.0)


class Content(NamedTuple):
    """What the commands delete of what was pushed, or is being pushed."""

    tags: Tags
    manifests: Manifests
    repositories: RepositoryDeletion
    uploads: OpenUploads


class AccountServices:
    """All that concerns who there is and what they may do."""

    def __init__(self, db: Database, config: Config, principals: Principals, quotas: Quotas, content: Content):
        # Of each worker; what one computes takes 32 MiB at a time.
        self.passwords = Passwords(1 if config.workers > 2 else 2)
        self.principals, self.content, self.open_uploads = principals, content, content.uploads
        self._auth, quarantine = config.auth, config.auth.quarantine
        self.throttle = Throttle(db)
        self.changes, self.administrators_changes = Rate(*CHANGES), Rate(*ADMINISTRATORS_CHANGES)
        self.searches, self.signed_out_searches = Rate(*SEARCHES, "searches"), Rate(*SIGNED_OUT_SEARCHES, "searches")
        self.accounts = Accounts(db, self.passwords, quarantine)
        self.lists = AccountLists(db)
        self.htpasswd = Htpasswd(db, self.passwords, quarantine)
        self.one_time = OneTimeTokens(db, self.passwords)
        self.organizations, self.teams = Organizations(db, quarantine), Teams(db)
        self.grants, self.robots, self.tokens = Grants(db), Robots(db), AccessTokens(db)
        self.logins = Logins(db, self.passwords, self.throttle)
        self.sessions = Sessions(db, config.auth.session_idle, config.auth.session_life)
        self.preferences = UserPreferences(db)
        self.repository_settings, self.quotas = RepositorySettings(db), QuotaSettings(db, quotas)
        self.invitations = Invitations(db)
        self.registrations = Registrations(db, self.passwords, self.throttle, config.auth.registration, quarantine)
        self.stars, self.comments, self.readmes = Stars(db), Comments(db), Readmes(db)
        self._mailer = _mailer(config.mail)
        url, pages = config.server.external_url, "ui" in config.server.apis
        self.resets = PasswordResets(db, self.one_time, self.throttle, self._mailer, url, pages)
        self.audit, self.signing_keys = Audit(db), SigningKeys(db)
        self.namespace_audit = NamespaceAudit(db)
        self.health = HealthSummary(db, _disks(config), config.server.tls_certificate)
        self.users_add_organizations = config.auth.organizations == "users"

    async def prepare(self) -> None:
        """Load the code that passwords need: later the file that it is in may be another one."""
        await self.passwords.prepare()

    async def rotate_keys(self) -> None:
        """Make a new signing key if the newest one is old. Many processes may do so at once."""
        if self._auth.key_rotation:
            await self.signing_keys.rotate_old(self._auth.key_rotation)

    async def trim_audit(self) -> None:
        """Delete what is older than its limit."""
        await self.audit.forget(self._auth.audit_days)

    def close(self) -> None:
        """Wait for the passwords that are being computed."""
        self.passwords.close()
        if self._mailer:
            self._mailer.close()


def _disks(config: Config) -> dict[str, tuple[Path, int]]:
    """The folders of the store and of the database, if that is a file elsewhere, with what is to stay free there."""
    root, place = config.storage.root, config.database_place
    disks = {} if config.storage.url else {"store": (root, config.storage.reserve)}
    if isinstance(place, Path) and (place.parent != root or not disks):
        disks["database"] = (place.parent, config.database_reserve)
    return disks


def _mailer(config: MailConfig):
    """Who sends mail (mail.Mailer); None where nobody does. What it imports is read only where it is needed."""
    if not config.host:
        return None
    from .outbound.mail import Mailer

    return Mailer(config)
