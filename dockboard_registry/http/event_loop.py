"""An event loop whose iterations are short: each serves a few of the sockets that are ready, then timers and results
from threads.

asyncio serves all sockets that are ready in one iteration. With a thousand clients that ask in one moment, an iteration
took 220 ms. epoll goes round: a socket that was ready and not reported is reported first the next time.

Sockets that wait for a request are served as soon as epoll tells of them (`watch`), before the others of the same few:
what asyncio does for a reader besides costs 2 of 33 us a manifest GET.
"""

import asyncio
import logging
import math
import select
import selectors
import time
from collections.abc import Callable, Mapping

_log = logging.getLogger("dockboard.event_loop")
_AT_ONCE = 16
LONG_SECONDS = 0.05
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def new_loop(on_long: Callable[[], None]) -> asyncio.AbstractEventLoop:
    """The loop of a worker.

    It calls on_long after an iteration of more than LONG_SECONDS. Without epoll it is asyncio's own.
    """
    return _Loop(BoundedSelector(on_long)) if hasattr(select, "epoll") else asyncio.new_event_loop()


def watch(loop: asyncio.AbstractEventLoop, descriptor: int, call: Callable[[], None]) -> None:
    """Like loop.add_reader, for a descriptor that nothing else is asked about. `call` must not wait."""
    (loop.selector.watch if isinstance(loop, _Loop) else loop.add_reader)(descriptor, call)


def unwatch(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    (loop.selector.unwatch if isinstance(loop, _Loop) else loop.remove_reader)(descriptor)


class _Loop(asyncio.SelectorEventLoop):
    """selector: what it waits with."""

    def __init__(self, selector: "BoundedSelector"):
        super().__init__(selector)
        self.selector = selector


class BoundedSelector(selectors.BaseSelector):
    """Descriptors, given as numbers. `select` reports at most _AT_ONCE of them."""

    def __init__(self, on_long: Callable[[], None]) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._calls: dict[int, Callable[[], None]] = {}
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

    def watch(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call it in `select` whenever there is something to read or an end, until `unwatch`."""
        self._epoll.register(descriptor, select.EPOLLIN)
        self._calls[descriptor] = call

    def unwatch(self, descriptor: int) -> None:
        del self._calls[descriptor]
        self._epoll.unregister(descriptor)

    def select(self, timeout=None) -> list[tuple[selectors.SelectorKey, int]]:
        """Like selectors.EpollSelector.select.

        Errors and hang-ups count as both, because the next read or write reports them.
        """
        if time.monotonic() - self._begun > LONG_SECONDS:
            self._on_long()
        seconds = -1 if timeout is None else max(math.ceil(timeout * 1000) / 1000, 0)
        try:
            ready = self._epoll.poll(seconds, _AT_ONCE)
        except InterruptedError:
            ready = []
        self._begun = time.monotonic()
        found, calls = [], self._calls
        for descriptor, events in ready:
            call = calls.get(descriptor)
            if call is not None:
                _served(call)
            elif (key := self._keys.get(descriptor)) is not None:
                asked = (events & ~select.EPOLLOUT and _READ) | (events & ~select.EPOLLIN and _WRITE)
                found.append((key, asked & key.events))
        return found

    def get_map(self) -> Mapping[int, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._epoll.close()
        self._keys.clear()
        self._calls.clear()


def _served(call: Callable[[], None]) -> None:
    """A failure here ends nothing else, as with a callback of asyncio."""
    try:
        call()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:  # also a CancelledError
        _log.exception("serving a connection failed")


def _mask(events: int) -> int:
    return (select.EPOLLIN if events & _READ else 0) | (select.EPOLLOUT if events & _WRITE else 0)
