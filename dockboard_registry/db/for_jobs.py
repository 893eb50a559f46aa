"""A database whose scans run apart from those of requests."""

from collections.abc import Awaitable, Callable

from . import Database, T, Tx


class ForJobs:
    """`Database.for_jobs` of any database. scan: how its scans run."""

    def __init__(self, database: Database, scan: Callable[[Callable], Awaitable]):
        self._database = database
        self._scan = scan
        self.read, self.write, self.compact, self.pools = (
            database.read,
            database.write,
            database.compact,
            database.pools,
        )

    def scan(self, fn: Callable[[Tx], T], long: bool = False) -> Awaitable[T]:
        return self._scan(fn)

    def for_jobs(self) -> Database:
        return self

    def close(self) -> None:
        """Nothing to do: whoever opened the underlying database closes it."""
