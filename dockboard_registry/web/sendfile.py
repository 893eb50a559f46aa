"""Sending part of a file to a socket by sendfile(2): no copy in Python, no thread held by a slow reader.

A burst runs in a small pool of threads until the socket takes no more (a read from a cold disk may block, and the loop must not);
waiting for the client happens in the event loop. The duplicate descriptor is registered with the loop beside Tornado's own.
"""

import asyncio
import os
from concurrent.futures import Executor

_BURST = 8 << 20


async def send(stream, file: int, start: int, stop: int, pool: Executor) -> int:
    """Send bytes start to stop (exclusive) to the stream's socket; returns how many went out before end of file or stop.

    Raises OSError when the connection or the file fails.
    """
    loop = asyncio.get_running_loop()
    out = os.dup(stream.socket.fileno())
    offset = start
    try:
        while offset < stop:
            sent, blocked = await loop.run_in_executor(pool, _burst, out, file, offset, min(_BURST, stop - offset))
            offset += sent
            stream.moved += sent
            if blocked:
                await _writable(loop, out)
            elif not sent:
                break
        return offset - start
    finally:
        os.close(out)


def _burst(out: int, file: int, offset: int, count: int) -> tuple[int, bool]:
    """(bytes sent, whether the socket took no more)."""
    sent = 0
    while sent < count:
        try:
            step = os.sendfile(out, file, offset + sent, count - sent)
        except BlockingIOError:
            return sent, True
        if not step:
            break
        sent += step
    return sent, False


async def _writable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    ready = loop.create_future()
    loop.add_writer(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)
