"""What every measurement needs: the servers, the place on disk, the number of rounds, and where the samples go."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import procs
from tests.bench.client import Connection
from tests.bench.content import Reservoir
from tests.bench.results import Results
from tests.bench.servers import ALL, OursMySQL, Server
from tests.bench.servers_objects import OBJECTS
from tests.bench.servers_other import OTHERS

MIB = 1 << 20
MEMORY_DISK = Path("/dev/shm")


@dataclass
class Bench:
    """One run. `names` are the registries, `files` what sends plain files beside them. `quick` makes the data small and
    the rounds few; the figures are then for a first look only.
    """

    directory: Path
    names: list[str]
    files: list[str]
    rounds: int
    quick: bool
    results: Results = field(default_factory=Results)

    @contextmanager
    def servers(self, directory: Path | None = None, names: list[str] | None = None) -> Iterator[list[Server]]:
        """All registries at once, each with fresh data below one directory; stopped and removed afterwards."""
        place = Path(tempfile.mkdtemp(prefix="dockboard-bench-", dir=directory or self.directory))
        started: list[Server] = []
        try:
            for name in names or self.names:
                server = {**ALL, OursMySQL.name: OursMySQL, **OTHERS, **OBJECTS}[name](place / f"{len(started)}-{name}")
                started.append(server)
                server.start()
            yield started
        finally:
            for server in started:
                server.stop()
            shutil.rmtree(place, ignore_errors=True)

    @contextmanager
    def one(self, name: str) -> Iterator[Server]:
        with self.servers(names=[name]) as (server,):
            yield server

    def interleave(self, servers: list[Server], measure: Callable[[Server], None]) -> None:
        """A B C A B C ...: what disturbs the machine for a while disturbs all of them."""
        for _ in range(self.rounds):
            for server in servers:
                measure(server)

    @contextmanager
    def reservoir(self, size: int) -> Iterator[Reservoir]:
        """Random content for large blobs, in memory when there is room, so that reading it costs the disk nothing."""
        parent = memory_disk(3 * size) or self.directory
        place = Path(tempfile.mkdtemp(prefix="dockboard-bench-", dir=parent))
        source = Reservoir(place, size)
        try:
            yield source
        finally:
            source.close()
            shutil.rmtree(place, ignore_errors=True)

    def add(self, work: str, figure: str, server: Server | str, value: float) -> None:
        name = server if isinstance(server, str) else server.name
        self.results.add(work, figure, name, value)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Cost:
    """Context manager: .seconds of wall clock and .cpu seconds of a server's tree while something runs."""

    def __init__(self, server: Server):
        self._pids = server.tree()

    def __enter__(self) -> Cost:
        self._cpu = procs.cpu_seconds(self._pids)
        self._start = time.monotonic()
        return self

    def __exit__(self, *_error) -> None:
        self.seconds = time.monotonic() - self._start
        self.cpu = procs.cpu_seconds(self._pids) - self._cpu


def memory_disk(room: int) -> Path | None:
    """A directory in memory with so many bytes free, or None."""
    if not MEMORY_DISK.is_dir():
        return None
    disk = os.statvfs(MEMORY_DISK)
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MEMORY_DISK if min(disk.f_bavail * disk.f_frsize, available) > room else None


def connect(server: Server) -> Connection:
    return Connection(server.address, server.context)
