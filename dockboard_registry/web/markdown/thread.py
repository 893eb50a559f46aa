"""The thread in which long texts are rendered, one at a time. Texts that are shown go before previews."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from ...errors import TooManyRequests

# Previews that wait or are being made, each for another account.
MOST_PREVIEWS = 20
_RETRY = {"Retry-After": "2"}

T = TypeVar("T")


class RenderingThread(Generic[T]):
    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "markdown")
        self._shown: deque[tuple[Future[T], Callable[[], T]]] = deque()
        self._previews: deque[tuple[Future[T], Callable[[], T]]] = deque()
        self._owners: set[int] = set()

    async def show(self, make: Callable[[], T]) -> T:
        return await self._put(self._shown, Future(), make)

    async def preview(self, owner: int, make: Callable[[], T]) -> T:
        """owner: the account that asks. It has one preview at a time. Raises TooManyRequests."""
        if owner in self._owners:
            next = "wait until it is shown, go back to your text, then try again"
            raise TooManyRequests("another preview of yours is being made", next, _RETRY)
        if len(self._owners) >= MOST_PREVIEWS:
            raise TooManyRequests("too many previews wait to be made", headers=_RETRY)
        self._owners.add(owner)
        made: Future[T] = Future()
        # The account stays busy until the thread is done with it, also if nobody waits for the preview any more.
        made.add_done_callback(lambda _: self._owners.discard(owner))
        return await self._put(self._previews, made, make)

    async def _put(self, queue: deque, made: Future[T], make: Callable[[], T]) -> T:
        queue.append((made, make))
        self._thread.submit(self._next)
        return await asyncio.wrap_future(made)

    def _next(self) -> None:
        made, make = (self._shown or self._previews).popleft()
        if not made.set_running_or_notify_cancel():
            return
        try:
            made.set_result(make())
        except Exception as error:
            made.set_exception(error)
