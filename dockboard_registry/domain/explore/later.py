"""Work that is done a while after it was first asked for, so that what comes meanwhile is done together."""

import asyncio
from collections.abc import Awaitable, Callable

from ...clients import Client, current_client


class Later:
    """seconds: from the first `ask` to the work. name: for whom the work counts."""

    def __init__(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]):
        self._client, self._seconds, self._work = Client(name), seconds, work
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task | None = None

    def ask(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._run(self._task))

    async def _run(self, before: asyncio.Task | None) -> None:
        """One run at a time."""
        if before is not None:
            await before
        current_client.set(self._client)
        await self._work()

    async def finish(self) -> None:
        """Do now what was asked for, and wait for it."""
        if self._timer is not None:
            self._timer.cancel()
            self._begin()
        if self._task is not None:
            await self._task
