"""What administrators should look at: room on the disks, failed jobs, what ends soon, and accounts that wait."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .. import certificates
from ..db import Database, Tx, now
from ..disk import Disk, Room
from . import job_claims
from .access.rule import PENDING, ROBOT
from .job_claims import JobState

# Seconds for which a process remembers how much room the disks have.
_REMEMBERED = 10.0
# Milliseconds: what ends within them is named.
SOON_MS = 30 * 86400_000
_WAITING = "SELECT COUNT(*) FROM users WHERE state = ?"
_ENDING = (
    "SELECT organizations.name, robots.name, MIN(access_tokens.expires_at) FROM access_tokens"
    " JOIN robots ON robots.id = access_tokens.holder_id"
    " JOIN organizations ON organizations.id = robots.organization_id"
    " WHERE access_tokens.holder_kind = ? AND access_tokens.revoked_at IS NULL"
    " AND access_tokens.expires_at > ? AND access_tokens.expires_at <= ?"
    " GROUP BY organizations.name, robots.name ORDER BY 3 LIMIT ?"
)
_MOST_NAMED = 20


class EndingSecret(NamedTuple):
    """A robot account, ORGANIZATION/NAME, one of whose secrets ends soon."""

    robot: str
    ends_at: int


class Health(NamedTuple):
    """rooms: by what is on the disk, without disks that can't be asked. certificate_ends_at: None without TLS.

    failing: jobs whose last run failed. ending: the first ones.
    """

    rooms: Mapping[str, Room]
    failing: list[JobState]
    waiting: int
    ending: list[EndingSecret]
    certificate_ends_at: int | None

    @property
    def full(self) -> list[str]:
        """The disks that growing changes are refused for."""
        return [name for name, room in self.rooms.items() if room.full]

    @property
    def certificate_soon(self) -> bool:
        return self.certificate_ends_at is not None and self.certificate_ends_at < now() + SOON_MS

    @property
    def well(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.full or self.failing or self.waiting or self.ending or self.certificate_soon)


class HealthSummary:
    """disks: folders and their reserves, by what is on them. certificate: a file, or empty."""

    def __init__(self, db: Database, disks: Mapping[str, tuple[Path, int]], certificate: str):
        self._db = db
        self._disks, self._certificate = disks, certificate
        self._rooms: tuple[float, Mapping[str, Room]] = (-_REMEMBERED, {})

    async def rooms(self) -> Mapping[str, Room]:
        """Room by what is on the disk, as of some seconds ago."""
        looked_at, rooms = self._rooms
        if time.monotonic() - looked_at >= _REMEMBERED:
            rooms = await asyncio.to_thread(self._look_at_disks)
            self._rooms = time.monotonic(), rooms
        return rooms

    async def look(self, jobs: Iterable[str]) -> Health:
        """jobs: the names of all periodic jobs."""
        at = now()

        def query(tx: Tx) -> tuple[int, list[EndingSecret]]:
            rows = tx.all(_ENDING, ROBOT, at, at + SOON_MS, _MOST_NAMED)
            return tx.one(_WAITING, PENDING)[0], [EndingSecret(f"{one}/{two}", ends) for one, two, ends in rows]

        waiting, ending = await self._db.scan(query, long=True)
        failing = [job for job in await job_claims.states(self._db, jobs) if job.failed]
        rooms, ends_at = await asyncio.to_thread(self._outside)
        return Health(rooms, failing, waiting, ending, ends_at)

    def _outside(self) -> tuple[dict[str, Room], int | None]:
        """What is read from disks."""
        return self._look_at_disks(), certificates.ends_at(self._certificate) if self._certificate else None

    def _look_at_disks(self) -> dict[str, Room]:
        """Without disks that can't be asked."""
        rooms: dict[str, Room] = {}
        for name, (folder, reserve) in self._disks.items():
            try:
                rooms[name] = Disk(folder, reserve).room()
            except OSError:
                continue
        return rooms
