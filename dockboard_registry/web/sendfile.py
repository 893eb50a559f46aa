"""Sending part of a file to a socket by sendfile(2): no copy in Python, no thread held by a slow reader.

A burst runs in a small pool of threads until the socket takes no more (a read from a cold disk may block, and the loop must not).
A client that keeps up is waited for in the thread (see patience.py), a slow one in the event loop, on a duplicate descriptor beside
Tornado's own.
"""

import asyncio
import os
import select
import socket
import sys
from concurrent.futures import Executor

from . import patience

# Bytes that wait in the kernel unsent: little enough to stay in the processor's cache, and for a reader who does not read.
_UNSENT = 256 << 10
_AT_ONCE = 8 << 20
# Of struct tcp_info (linux/tcp.h): the shortest round trip seen, in microseconds; the average has delayed acknowledgements in it.
_RTT = slice(148, 152)
_NEAR_MICROSECONDS, _NEAR_BUFFER = 250, 256 << 10
THREADS = 4


async def send(stream, file: int, start: int, stop: int, pool: Executor) -> int:
    """Send bytes start to stop (exclusive) to the stream's socket; returns how many went out before end of file or stop.

    Raises OSError when the connection or the file fails.
    """
    loop = asyncio.get_running_loop()
    _fit_buffer(stream.socket)
    out = os.dup(stream.socket.fileno())
    offset = start
    try:
        while offset < stop:
            with patience.turn() as turn:
                blocked = await loop.run_in_executor(pool, _burst, out, file, offset, stop - offset, turn)
            offset += turn.moved
            stream.moved += turn.moved
            if blocked:
                await _writable(loop, out)
            elif not turn.moved:
                break
        return offset - start
    finally:
        os.close(out)


def _fit_buffer(sock: socket.socket) -> None:
    """For a client on this machine or beside it, a buffer that stays in the cache; docs/performance.md has the spread."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    rtt = int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.stop)[_RTT], sys.byteorder)
    if 0 < rtt < _NEAR_MICROSECONDS:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _NEAR_BUFFER)


def _burst(out: int, file: int, offset: int, count: int, turn: patience.Turn) -> bool:
    """Send at most count bytes in one turn; whether the socket took no more."""
    while turn.moved < count and not turn.over():
        try:
            sent = turn.retry(
                lambda: os.sendfile(out, file, offset + turn.moved, min(_AT_ONCE, count - turn.moved)), out, select.POLLOUT)
        except BlockingIOError:
            return True
        if not sent:
            break
        turn.moved += sent
    return False


async def _writable(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    ready = loop.create_future()
    loop.add_writer(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)
