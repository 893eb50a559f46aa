"""Accounts and what belongs to them, put together: beside app.Services, because these modules are read only when they are needed."""

from .config import AuthConfig
from .db import Database
from .domain.access_tokens import AccessTokens
from .domain.accounts import Accounts
from .domain.audit import Audit
from .domain.grants import Grants
from .domain.logins import Logins
from .domain.one_time import OneTimeTokens
from .domain.organizations import Organizations
from .domain.passwords import Passwords
from .domain.principals import Principals
from .domain.repository_settings import RepositorySettings
from .domain.robots import Robots
from .domain.signing_keys import SigningKeys
from .domain.teams import Teams
from .domain.throttle import Throttle


class People:
    """All that concerns who there is and what they may do."""

    def __init__(self, db: Database, config: AuthConfig, principals: Principals):
        self.passwords = Passwords()
        self.principals = principals
        self.accounts = Accounts(db, self.passwords, config.quarantine)
        self.one_time = OneTimeTokens(db, self.passwords)
        self.organizations, self.teams = Organizations(db, config.quarantine), Teams(db)
        self.grants, self.robots, self.tokens = Grants(db), Robots(db), AccessTokens(db)
        self.logins = Logins(db, self.passwords, Throttle(db))
        self.repository_settings = RepositorySettings(db)
        self.audit, self.signing_keys = Audit(db), SigningKeys(db)
        self.users_add_organizations = config.organizations == "users"

    async def prepare(self) -> None:
        """Load the code that passwords need, where there are accounts: later the file that it is in may be another one."""
        if await self.principals.value():
            await self.passwords.prepare()

    def close(self) -> None:
        """Wait for the passwords that are being computed."""
        self.passwords.close()
