"""The domain put together over a database and a store, and the shortest ways to push into it."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from dockboard_registry.domain.access import facts
from dockboard_registry.domain.access.rule import Decision, decide
from dockboard_registry.domain.accounts.account_lists import AccountLists
from dockboard_registry.domain.accounts.accounts import Accounts
from dockboard_registry.domain.accounts.htpasswd import Htpasswd
from dockboard_registry.domain.accounts.invitations import Invitations
from dockboard_registry.domain.accounts.organizations import Organizations
from dockboard_registry.domain.accounts.preferences import UserPreferences
from dockboard_registry.domain.accounts.registration import Registrations
from dockboard_registry.domain.accounts.robots import Robots
from dockboard_registry.domain.accounts.teams import Teams
from dockboard_registry.domain.audit import Actor, Audit
from dockboard_registry.domain.content import blobs, manifests
from dockboard_registry.domain.content.blobs import Blob, Blobs
from dockboard_registry.domain.content.check import Checker, CheckReport
from dockboard_registry.domain.content.documents import OCI_INDEX, OCI_MANIFEST
from dockboard_registry.domain.content.manifests import Manifest, Manifests
from dockboard_registry.domain.content.referrers import Referrers
from dockboard_registry.domain.content.repositories import Repositories
from dockboard_registry.domain.content.repository_deletion import RepositoryDeletion
from dockboard_registry.domain.content.tags import Tags
from dockboard_registry.domain.credentials.access_tokens import AccessTokens
from dockboard_registry.domain.credentials.logins import Logins
from dockboard_registry.domain.credentials.one_time import OneTimeTokens
from dockboard_registry.domain.credentials.passwords import Passwords
from dockboard_registry.domain.credentials.sessions import Sessions
from dockboard_registry.domain.credentials.throttle import Throttle
from dockboard_registry.domain.explore.counting import RepositoryFacts
from dockboard_registry.domain.explore.pulls import PullCounts
from dockboard_registry.domain.garbage.collect import Collector, GcReport
from dockboard_registry.domain.rights.grants import Grants
from dockboard_registry.domain.rights.principals import Principals
from dockboard_registry.domain.rights.repository_settings import RepositorySettings
from dockboard_registry.domain.social.comments import Comments
from dockboard_registry.domain.social.readmes import Readmes
from dockboard_registry.domain.social.stars import Stars
from dockboard_registry.domain.uploads.sessions import Session
from dockboard_registry.domain.uploads.upload_writer import Writer
from dockboard_registry.domain.uploads.uploads import Uploads
from dockboard_registry.names import Reference
from dockboard_registry.storage import Source

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OPERATOR = Actor("console", "local")
# Of the password "correct horse": made in no time, unlike what the registry makes itself.
QUICK_HASH = "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A="
KEY_OF = "SELECT storage_key FROM blobs WHERE digest = ?"
# A day: nothing expires while a test runs.
LONG = 86400.0


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(data: bytes, media_type: str = OCI_LAYER, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data), **more}


def image(config: bytes, *layers: bytes, **more: Any) -> bytes:
    """An OCI image manifest over these blobs."""
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, OCI_CONFIG)}
    return json.dumps({**document, "layers": [descriptor(layer) for layer in layers], **more}).encode()


def index(*manifests: bytes, **more: Any) -> bytes:
    """An OCI index of these manifests."""
    children = [descriptor(manifest, OCI_MANIFEST) for manifest in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children, **more}).encode()


async def full_round(collector: Collector) -> GcReport:
    """A round of collecting with the strays."""
    report = await collector.collect()
    strays, freed = await collector.sweep_strays(collector.deletion)
    return report._replace(strays=strays, bytes=report.bytes + freed)


class Process:
    """What one worker process has: its own database connections, store and running hashes. lease, grace, expiry in
    seconds.
    """

    def __init__(
        self,
        db: Any,
        storage: Any,
        server_start: str,
        lease: float,
        grace: float,
        expiry: float,
        limit: int,
        small: int,
    ):
        self.db, self.storage = db, storage
        self.uploads = Uploads(self.db, self.storage, server_start, limit, small=small)
        self.blobs = Blobs(self.db, self.storage, lease)
        self.pulls, self.repository_facts = PullCounts(self.db), RepositoryFacts(self.db)
        self.manifests = Manifests(self.db, changed=self.repository_facts.changed)
        self.tags = Tags(self.db, self.repository_facts.changed)
        self.referrers, self.repositories = Referrers(self.db), Repositories(self.db)
        self.deletion = RepositoryDeletion(self.db)
        self.collector = Collector(self.db, self.storage, grace, lease, expiry)
        self.checker = Checker(self.db, self.storage)
        self._people(LONG)

    def _people(self, quarantine: float) -> None:
        self.passwords = Passwords()
        self.accounts = Accounts(self.db, self.passwords, quarantine)
        self.lists = AccountLists(self.db)
        self.htpasswd = Htpasswd(self.db, self.passwords, quarantine)
        self.organizations, self.teams, self.robots = (
            Organizations(self.db, quarantine),
            Teams(self.db),
            Robots(self.db),
        )
        self.grants, self.tokens, self.repository_settings = (
            Grants(self.db),
            AccessTokens(self.db),
            RepositorySettings(self.db),
        )
        self.one_time = OneTimeTokens(self.db, self.passwords)
        self.throttle = Throttle(self.db)
        self.logins = Logins(self.db, self.passwords, self.throttle)
        self.sessions, self.preferences = Sessions(self.db, 28800, 604800), UserPreferences(self.db)
        self.principals, self.audit = Principals(self.db, "none"), Audit(self.db)
        self.invitations = Invitations(self.db)
        self.stars, self.comments, self.readmes = Stars(self.db), Comments(self.db), Readmes(self.db)

    def registrations(self, mode: str, quarantine: float = LONG) -> Registrations:
        """Those of a registry with this setting."""
        return Registrations(self.db, self.passwords, self.throttle, mode, quarantine)

    async def people(self, *names: str) -> None:
        """Active accounts with the password "correct horse"."""
        imported = await self.htpasswd.take_over(OPERATOR, "".join(f"{name}:{QUICK_HASH}\n" for name in names))
        assert imported.refused == []

    async def asked(self, who: str, action: str, repository: str) -> Decision:
        """The decision as a request comes to it; who: user:NAME, robot:ORGANIZATION/NAME, anonymous."""
        value, object, _ = await self.principals.facts(repository)
        if who == "anonymous":
            return decide(self.principals.anonymous(value), action, object)
        found = await self.principals.named(who)
        known = await self.principals.get(found.kind, found.id, value)
        return decide(known, action, object)

    async def may(self, who: str, action: str, repository: str) -> bool:
        return (await self.asked(who, action, repository)).allowed

    def close(self) -> None:
        self.passwords.close()
        self.manifests.close()
        self.db.close()
        self.storage.close()

    async def begun(self, *pieces: bytes, repository: str = "app", algorithm: str = "sha256") -> Session:
        """An upload session into which these pieces were sent, each in a request of its own."""
        session = await self.uploads.start(repository, algorithm)
        for piece in pieces:
            session = await self.sent(session, piece)
        return session

    async def sent(self, session: Session, piece: bytes) -> Session:
        """The session after one more request with bytes; the row is read anew, as the edge does."""
        writer = await self.writing(await self.uploads.find(session.repository, session.id), piece)
        return await writer.save()

    async def writing(self, session: Session, piece: bytes, maker: Actor | None = None) -> Writer:
        """A request that has sent these bytes to a session as it was read some time before, and is not at its end."""
        writer = Writer(self.uploads, session, maker)
        try:
            await writer.write(piece)
        except BaseException:
            await writer.leave()
            raise
        return writer

    async def late(self, session: Session, piece: bytes) -> Session:
        """A request that read the session some time before, and sends its bytes only now."""
        return await (await self.writing(session, piece)).save()

    async def finish(self, session: Session, digest: str) -> int:
        """The last request of an upload, without a body."""
        return await Writer(self.uploads, await self.uploads.find(session.repository, session.id)).finish(digest)

    async def push(self, data: bytes, repository: str = "app", maker: Actor | None = None) -> str:
        """A blob in one request; its digest."""
        writer = await self.writing(await self.uploads.start(repository), data, maker)
        await writer.finish(sha256(data))
        return sha256(data)

    async def put(
        self, body: bytes, *tags: str, repository: str = "app", media_type: str = "", maker: Actor | None = None
    ) -> str:
        """A manifest under its digest and tags; its digest."""
        return (
            await self.manifests.put(
                repository, Reference(None, sha256(body)), body, media_type, list(tags), actor=maker
            )
        ).digest

    async def manifest(self, repository: str, reference: Reference) -> Manifest:
        found = manifests.found(reference, await facts.ask(self.db, repository, manifests.question(reference)))
        return found._replace(body=await self.manifests.body(repository, found))

    async def blob(self, repository: str, digest: str) -> Blob:
        return blobs.found(digest, await facts.ask(self.db, repository, blobs.question(digest)))

    async def promise(self, repository: str, digest: str) -> Blob:
        """What HEAD of a blob comes to."""
        found = await self.blob(repository, digest)
        await self.blobs.promise(found, digest)
        return found

    async def open_blob(self, repository: str, digest: str) -> Source:
        return await self.blobs.open(repository, digest, await self.blob(repository, digest))

    async def pull(self, digest: str, repository: str = "app") -> bytes:
        """The bytes of a blob."""
        source = await self.open_blob(repository, digest)
        try:
            return await source.read(0, source.size)
        finally:
            source.close()

    async def key(self, digest: str) -> str | None:
        """Where the bytes of a blob are stored."""
        row = await self.db.read(lambda tx: tx.one(KEY_OF, digest))
        return row[0] if row else None

    async def keys(self) -> list[str]:
        """All that is stored, and what lies in the database."""
        rows = await self.db.read(lambda tx: tx.all("SELECT storage_key FROM small_blobs"))
        return [found.key async for found in self.storage.keys()] + [key for (key,) in rows]

    async def count(self, sql: str) -> int:
        return (await self.db.read(lambda tx: tx.one(sql)))[0]

    async def collect(self) -> GcReport:
        return await full_round(self.collector)

    async def check(self) -> CheckReport:
        return await self.checker.run(lambda done, total: None)


class Between:
    """A Database that lets something else happen before its next write or scan: what a race would do by chance, done
    surely.
    """

    def __init__(self, db: Any, before: str, act: Callable[[], Awaitable[Any]]):
        self._db, self._before, self._act = db, before, act
        self.acted = False

    async def _interrupt(self, way: str) -> None:
        if way == self._before and not self.acted:
            self.acted = True
            await self._act()

    async def read(self, fn: Callable) -> Any:
        return await self._db.read(fn)

    async def scan(self, fn: Callable, long: bool = False) -> Any:
        await self._interrupt("scan")
        return await self._db.scan(fn, long)

    async def write(self, fn: Callable, *arguments: Any, **named: Any) -> Any:
        await self._interrupt("write")
        return await self._db.write(fn, *arguments, **named)

    def close(self) -> None:
        self._db.close()


class Unanswered:
    """A Database whose next write is committed, its answer lost; what else happened until it is run again is
    `meanwhile`.
    """

    def __init__(self, db: Any, meanwhile: Callable[[], Awaitable[Any]]):
        self._db, self._meanwhile = db, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def write(self, fn: Callable, durable: bool = True, repeatable: bool = False, brings: int = 0) -> Any:
        assert repeatable
        await self._db.write(fn, durable)
        await self._meanwhile()
        return await self._db.write(lambda tx: fn(Doubtful(tx)), durable)


class Doubtful:
    """A Tx whose function may have been committed before."""

    doubtful = True

    def __init__(self, tx: Any):
        self._tx = tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


class World:
    """One registry; `process` gives as many of its worker processes as a test wants.

    small: bytes of the blobs that lie in the database.
    """

    def __init__(self, database: Any, storage: Any, small: int = 0):
        self.database, self.storage, self.small = database, storage, small
        self._open: list[Process] = []

    def process(
        self,
        server_start: str = "this start",
        lease: float = LONG,
        grace: float = LONG,
        expiry: float = LONG,
        limit: int = 2000,
        full: bool = False,
    ) -> Process:
        storage = self.storage.open_full() if full else self.storage.open()
        made = Process(self.database.open(), storage, server_start, lease, grace, expiry, limit, self.small)
        self._open.append(made)
        return made

    def close(self) -> None:
        for process in self._open:
            process.close()
