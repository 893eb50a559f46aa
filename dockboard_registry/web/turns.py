"""An event loop whose turns are short: of all sockets that are ready a few are served, then timers and what came from threads have their turn.

asyncio takes all that epoll tells, and tells of nothing else before the last of them: of a thousand clients that ask in one moment, a turn
lasted 220 ms. epoll goes round: what was ready and not told is told first the next time.
"""

import asyncio
import math
import select
import selectors
import time
from collections.abc import Callable, Mapping

_AT_ONCE = 16
LONG_SECONDS = 0.05
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def new_loop(on_long: Callable[[], None]) -> asyncio.AbstractEventLoop:
    """The loop of a worker, which calls on_long after a turn of more than LONG_SECONDS; where there is no epoll, asyncio's own."""
    return asyncio.SelectorEventLoop(Few(on_long)) if hasattr(select, "epoll") else asyncio.new_event_loop()


class Few(selectors.BaseSelector):
    """Descriptors, given as numbers, of which `select` tells at most _AT_ONCE."""

    def __init__(self, on_long: Callable[[], None]) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._on_long = on_long
        self._begun = math.inf

    def register(self, fileobj, events, data=None) -> selectors.SelectorKey:
        if type(fileobj) is not int or fileobj in self._keys:
            raise KeyError(f"{fileobj} is no descriptor, or registered already")
        self._epoll.register(fileobj, _mask(events))
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fileobj, events, data)
        return key

    def unregister(self, fileobj) -> selectors.SelectorKey:
        key = self._keys.pop(fileobj)
        try:
            self._epoll.unregister(fileobj)
        except OSError:
            pass  # closed meanwhile, which ends it too
        return key

    def modify(self, fileobj, events, data=None) -> selectors.SelectorKey:
        if events != self._keys[fileobj].events:
            self._epoll.modify(fileobj, _mask(events))
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fileobj, events, data)
        return key

    def select(self, timeout=None) -> list[tuple[selectors.SelectorKey, int]]:
        """As selectors.EpollSelector.select: errors and hang-ups count as both, for whoever reads or writes next hears of them."""
        if time.monotonic() - self._begun > LONG_SECONDS:
            self._on_long()
        seconds = -1 if timeout is None else max(math.ceil(timeout * 1000) / 1000, 0)
        try:
            ready = self._epoll.poll(seconds, _AT_ONCE)
        except InterruptedError:
            ready = []
        self._begun = time.monotonic()
        found = []
        for descriptor, events in ready:
            key = self._keys.get(descriptor)
            if key is not None:
                asked = (events & ~select.EPOLLOUT and _READ) | (events & ~select.EPOLLIN and _WRITE)
                found.append((key, asked & key.events))
        return found

    def get_map(self) -> Mapping[int, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._epoll.close()
        self._keys.clear()


def _mask(events: int) -> int:
    return (select.EPOLLIN if events & _READ else 0) | (select.EPOLLOUT if events & _WRITE else 0)
