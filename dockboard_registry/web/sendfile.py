"""Sending part of a file to a socket by sendfile(2): no copy in Python, no thread held by a slow reader.

A burst runs in a small pool of threads until the socket takes no more (a read from a cold disk may block, and the loop must not).
A client that is about to take more is waited for in the thread, but only while there are threads to spare, since each way back to
the loop costs more than the wait; a slow one is waited for in the event loop, on a duplicate descriptor beside Tornado's own.
"""

import asyncio
import os
import select
from concurrent.futures import Executor

_BURST = 8 << 20
_PATIENCE_MS = 20
THREADS = 4
_under_way = 0


async def send(stream, file: int, start: int, stop: int, pool: Executor) -> int:
    """Send bytes start to stop (exclusive) to the stream's socket; returns how many went out before end of file or stop.

    Raises OSError when the connection or the file fails.
    """
    global _under_way
    loop = asyncio.get_running_loop()
    out = os.dup(stream.socket.fileno())
    offset = start
    _under_way += 1
    try:
        while offset < stop:
            patience = _PATIENCE_MS if _under_way < THREADS else 0
            sent, blocked = await loop.run_in_executor(pool, _burst, out, file, offset, min(_BURST, stop - offset), patience)
            offset += sent
            stream.moved += sent
            if blocked:
                await _writable(loop, out)
            elif not sent:
                break
        return offset - start
    finally:
        _under_way -= 1
        os.close(out)


def _burst(out: int, file: int, offset: int, count: int, patience: int) -> tuple[int, bool]:
    """(bytes sent, whether the socket took no more for `patience` milliseconds)."""
    sent = 0
    while sent < count:
        try:
            step = os.sendfile(out, file, offset + sent, count - sent)
        except BlockingIOError:
            if not patience or not _takes_more(out, patience):
                return sent, True
            continue
        if not step:
            break
        sent += step
    return sent, False


def _takes_more(out: int, patience: int) -> bool:
    poll = select.poll()
    poll.register(out, select.POLLOUT)
    return bool(poll.poll(patience))


async def _writable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    ready = loop.create_future()
    loop.add_writer(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)
