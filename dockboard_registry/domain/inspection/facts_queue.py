"""What was pushed to this worker and is to be examined soon (facts_filling.py). The push does not wait for it."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable

from ...db import DatabaseBusy, DatabaseFailed, DatabaseFull
from ..explore.later import Later

_log = logging.getLogger("dockboard.facts")
# Seconds after a push, so that the rest of the image, its index and tags come into the same transaction.
_SOON = 1.0
# A periodic job finds what does not fit.
_MOST_WAITING, _AT_ONCE = 10_000, 20
# Repository and digest of a manifest.
Pushed = tuple[str, str]


class FactsQueue:
    """examine: stores the facts of a few manifests."""

    def __init__(self, examine: Callable[[list[Pushed]], Awaitable[None]]):
        self._examine = examine
        self._waiting: deque[Pushed] = deque(maxlen=_MOST_WAITING)
        self._examining = Later("facts of manifests", _SOON, self._examine_all)

    def add(self, repository: str, digest: str) -> None:
        """A manifest that was pushed."""
        self._waiting.append((repository, digest))
        self._examining.ask()

    async def finish(self) -> None:
        """Examine at once what waits."""
        await self._examining.finish()

    async def _examine_all(self) -> None:
        """If the database fails, the periodic job does the rest."""
        try:
            while self._waiting:
                taken = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                await self._examine(taken)
        except (DatabaseBusy, DatabaseFull, DatabaseFailed) as error:
            _log.debug("facts of manifests are stored later: %s", error)
        except Exception:
            _log.exception("facts of manifests are stored later")
