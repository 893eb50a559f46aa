"""Receiving, hashing and writing in several threads: bytes in their order, each kind of step once at a time, and errors
come out.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dockboard_registry.storage import relay
from dockboard_registry.storage.relay import Relay

DATA = random.Random(1).randbytes(2_000_000)


class Once:
    """A step that must not be entered twice at a time; notes the threads that came."""

    def __init__(self):
        self.threads = set()
        self._entered = threading.Lock()

    def __enter__(self):
        assert self._entered.acquire(blocking=False)
        self.threads.add(threading.get_ident())

    def __exit__(self, *_error):
        self._entered.release()


class Upload:
    """DATA in pieces of odd sizes, steps of odd lengths."""

    def __init__(self, full_at: int = 1 << 60, broken_at: int = 1 << 60):
        self.received = self.claimed = 0
        self.hasher, self.stored = hashlib.sha256(), bytearray(len(DATA))
        self.receiving, self.hashing, self.writers = Once(), Once(), set()
        self.full_at, self.broken_at = full_at, broken_at
        self._dice = random.Random(2)

    def fill(self, buffer: memoryview) -> int:
        with self.receiving:
            time.sleep(self._dice.choice((0, 0, 0.002)))
            count = min(len(buffer), self._dice.randrange(1, 60_000), len(DATA) - self.received)
            buffer[:count] = DATA[self.received : self.received + count]
            self.received += count
            return count

    def update(self, piece: memoryview) -> None:
        with self.hashing:
            time.sleep(self._dice.choice((0, 0, 0.002)))
            self.hasher.update(piece)

    def claim(self, count: int) -> int:
        if self.claimed >= self.full_at:
            raise OSError("full")
        place, self.claimed = self.claimed, self.claimed + count
        return place

    def write(self, piece: memoryview, place: int) -> None:
        self.writers.add(threading.get_ident())
        if place >= self.broken_at:
            raise OSError("broken")
        self.stored[place : place + len(piece)] = piece

    def relay(self) -> Relay:
        return Relay(self.fill, self.update, self.claim, self.write)


@pytest.fixture
def helpers():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def whole(upload: Upload) -> bool:
    return bytes(upload.stored) == DATA and upload.hasher.digest() == hashlib.sha256(DATA).digest()


def test_threads_share_the_work_in_order(helpers):
    upload = Upload()
    assert upload.relay().run(helpers) == len(DATA)
    assert whole(upload)
    assert len(upload.receiving.threads) == len(upload.hashing.threads) == len(upload.writers) == 3


def test_one_thread_does_all_where_no_helper_is_free(helpers):
    free = threading.Event()
    busy = [helpers.submit(free.wait) for _ in range(2)]
    upload = Upload()
    assert upload.relay().run(helpers) == len(DATA)
    free.set()
    assert all(each.result() for each in busy)
    assert whole(upload) and upload.writers == {threading.get_ident()}


def test_without_a_hash(helpers):
    upload = Upload()
    assert Relay(upload.fill, None, upload.claim, upload.write).run(helpers) == len(DATA)
    assert bytes(upload.stored) == DATA


@pytest.mark.parametrize("where", ["full_at", "broken_at"])
def test_an_error_ends_all_threads_and_comes_out(helpers, where):
    upload = Upload(**{where: 500_000})
    with pytest.raises(OSError, match=where[:4]):
        upload.relay().run(helpers)
    received = upload.received
    assert 500_000 <= received < 800_000
    time.sleep(0.02)
    assert upload.received == received, "a thread goes on"
    assert helpers.submit(lambda: "free").result(5) == "free"


def test_a_thread_that_gets_no_memory_ends_all(helpers, monkeypatch):
    own, upload = threading.get_ident(), Upload()

    def buffer() -> memoryview:
        if threading.get_ident() == own:
            time.sleep(0.01)
            raise MemoryError
        return memoryview(bytearray(100_000))

    monkeypatch.setattr(relay, "thread_buffer", buffer)
    with pytest.raises(MemoryError):
        upload.relay().run(helpers)
    received = upload.received
    assert received < len(DATA)
    time.sleep(0.02)
    assert upload.received == received, "a thread goes on"


def test_the_end_of_a_turn_is_asked_once(helpers):
    """After fill said 0 the caller may use what it reads from again: nobody else asks."""
    asked = []

    def fill(buffer: memoryview) -> int:
        asked.append(len(asked))
        time.sleep(0.001)
        return 10 if len(asked) < 20 else 0

    assert Relay(fill, None, lambda count: 0, lambda piece, place: None).run(helpers) == 190
    assert len(asked) == 20
