"""The one place where objects are put together: configuration to services, for the server and for commands."""

import asyncio
import contextlib
import functools

from .config import Config
from .db import Database
from .db.engines import engine
from .db.observer import Observer
from .domain.content.blobs import Blobs
from .domain.content.check import Checker
from .domain.content.manifests import Manifests
from .domain.content.referrers import Referrers
from .domain.content.repositories import Repositories
from .domain.content.repository_deletion import RepositoryDeletion
from .domain.content.tags import Tags
from .domain.explore.counting import RepositoryFacts
from .domain.explore.page_search import Lists
from .domain.explore.pulls import PullCounts
from .domain.explore.search import Search
from .domain.garbage.collect import Collector
from .domain.inspection.facts_queue import FactsQueue, Pushed
from .domain.quotas.quotas import Quotas
from .domain.rights.principals import Principals
from .domain.uploads.open_uploads import Expiry, OpenUploads
from .domain.uploads.uploads import Uploads
from .storage import Storage, stores


def open_services(
    config: Config, server_start: str, metrics=None, reserve: int | None = None, store_id: str | None = None
) -> "Services":
    """The services over the database and the store that the configuration names.

    reserve: bytes of the database's disk that growing changes leave free; None for commands, which are never refused.
    store_id: as in domain.uploads.Uploads.
    """
    observer = metrics.database if metrics else Observer()
    db = engine(config.database_place).open(config.database.connections, observer, reserve)
    storage = stores.driver(config.storage).open(metrics and metrics.store)
    return Services(config, server_start, db, storage, metrics, store_id)


class Services:
    """All that handlers and jobs call. `close` closes the database and the store too.

    server_start: which start of the server this process belongs to. metrics may be None. store_id: as in Uploads.
    """

    def __init__(
        self,
        config: Config,
        server_start: str,
        db: Database,
        storage: Storage,
        metrics=None,
        store_id: str | None = None,
    ):
        self.metrics, self.db, self.storage, self.store_id = metrics, db, storage, store_id
        self.principals = Principals(self.db, config.auth.anonymous)
        gc = config.gc
        self.repositories = Repositories(self.db)
        self.repository_deletion = RepositoryDeletion(self.db)
        self.lists, self.search = Lists(self.db), Search(self.db)
        self.pulls, self.repository_facts = PullCounts(self.db), RepositoryFacts(self.db)
        self.tags = Tags(self.db, self.repository_facts.changed)
        self.quotas = Quotas(config.auth.quota_repositories, config.auth.quota_bytes)
        self._facts_queue = FactsQueue(self._examine)
        self.manifests = Manifests(self.db, self.quotas, self.repository_facts.changed, self._facts_queue.add)
        self.referrers = Referrers(self.db)
        self.blobs = Blobs(self.db, self.storage, gc.lease, self.quotas)
        expiry = Expiry(gc.upload_expiry, gc.empty_upload_expiry)
        self.uploads = Uploads(
            self.db,
            self.storage,
            server_start,
            config.server.open_uploads,
            self.quotas,
            config.database.small_blobs,
            expiry,
            store_id,
        )
        self.open_uploads = OpenUploads(self.db, self.storage, expiry)
        self.collector = Collector(
            self.db.for_jobs(), self.storage, gc.grace, gc.lease, gc.upload_expiry, gc.empty_upload_expiry
        )
        self.checker = Checker(self.db.for_jobs(), self.storage)
        self.config = config
        self._prepared = False

    @functools.cached_property
    def gate(self):
        """Who asks, and may they (web.gate.Gate); of no use to commands, which have no requests."""
        from .web.auth.gate import Gate

        return Gate(self, self.config.server.external_url, self.config.auth.anonymous)

    @functools.cached_property
    def people(self):
        """Accounts and what belongs to them (AccountServices).

        Their modules are read now: a start is quicker without them.
        """
        from .account_services import AccountServices, Content

        content = Content(self.tags, self.manifests, self.repository_deletion, self.open_uploads)
        return AccountServices(self.db, self.config, self.principals, self.quotas, content)

    @functools.cached_property
    def credentials(self):
        """Who shows what (web.credentials.Credentials), read as late as accounts are."""
        from .web.auth.credentials import Credentials

        return Credentials(self.people, self.gate.service)

    @functools.cached_property
    def facts_filling(self):
        """Facts of manifests (FactsFilling). Its modules are read after the first push."""
        from .domain.inspection.facts_filling import FactsFilling

        return FactsFilling(self.db, self.storage)

    @functools.cached_property
    def client_search(self):
        """What clients find (ClientSearch), for v1."""
        from .domain.explore.client_search import ClientSearch

        return ClientSearch(self.db)

    @functools.cached_property
    def v1_images(self):
        """What clients of v1 pull (V1Images)."""
        from .domain.v1.images import V1Images

        return V1Images(self.db)

    @functools.cached_property
    def lately(self):
        """What happened lately (Lately), for pages."""
        from .domain.explore.lately import Lately

        return Lately(self.db)

    @functools.cached_property
    def tag_lists(self):
        """Lists of tags (TagLists), for pages and the API."""
        from .domain.inspection.tag_details import TagLists

        return TagLists(self.db)

    @functools.cached_property
    def inspector(self):
        """One manifest in full (Inspector), for pages and the API."""
        from .domain.inspection.inspector import Inspector

        return Inspector(self.db, self.storage)

    @functools.cached_property
    def attached_packages(self):
        """The packages of images (AttachedPackages), for pages."""
        from .domain.attached_packages import AttachedPackages

        return AttachedPackages(self.db, self.storage)

    @functools.cached_property
    def repository_pages(self):
        """What the pages of a repository show (RepositoryPages)."""
        from .domain.repository_pages import RepositoryPages

        return RepositoryPages(self.db, self.storage, self.inspector)

    async def _examine(self, pushed: list[Pushed]) -> None:
        await asyncio.to_thread(lambda: self.facts_filling)
        await self.facts_filling.examine(pushed)
        for name in dict.fromkeys(name for name, _ in pushed):
            self.repository_facts.changed(name)

    async def prepare(self) -> None:
        """Where there are accounts, read what they need before somebody waits for it, and before the file that it is in
        is another one.

        In a thread: it takes 100 ms, and others should not wait.
        """
        if not self._prepared and await self.has_accounts():
            await asyncio.to_thread(_read_account_code)
            await self.credentials.prepare()
            self._prepared = True

    async def has_accounts(self) -> bool:
        """Whether people log in here: there has been an account."""
        return await self.principals.access_version() > 0

    async def settle(self, seconds: float) -> None:
        """Wait for what goes on behind answers that were given."""
        if "people" in self.__dict__:
            await self.people.resets.settled(seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.save_counts()

    async def save_counts(self) -> None:
        """Write what was only noted in memory."""
        await self.pulls.finish()
        await self._facts_queue.finish()
        await self.repository_facts.finish()

    def close(self) -> None:
        """Wait for what was begun, then close database and store."""
        self.manifests.close()
        if "people" in self.__dict__:
            self.people.close()
        self.db.close()
        self.storage.close()


def _read_account_code() -> None:
    from . import account_services  # noqa: F401
    from .web.api import serve  # noqa: F401
    from .web.auth import credentials  # noqa: F401
