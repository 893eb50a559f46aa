"""Manifests that take long to read hold up nobody else (security S1, H4)."""

from __future__ import annotations

import threading
import time

import pytest

from tests.protocol.refusal import refused
from tests.security.test_json import MALFORMED, MIB, REFUSED, put
from tests.support.http import (
    Client,
)
from tests.support.server import Registry

BOMBS = [
    "4 MiB of empty lists",
    "4 MiB of numbers",
    "4 MiB of keys",
    "4 MiB of opening brackets",
    "4 MiB of blanks",
    "too many layers",
    "100,000 levels",
]


def test_a_bomb_does_not_hold_up_others(tmp_path):
    """One worker, so the bombs and the others share one interpreter: nobody waits long, and memory comes back (S1, H4).

    A machine that is busy with other things makes someone wait now and then, a bomb that holds the interpreter each
    time: so the best of three tries counts.
    """
    with Registry(tmp_path / "data", workers=1) as registry:
        before = registry.pss()
        waits = {name: min(longest_wait(registry, MALFORMED[name][: 4 * MIB]) for _ in range(3)) for name in BOMBS}
        grown = registry.pss() - before
    assert max(waits.values()) < 0.2, waits
    assert grown < 120 * MIB


def longest_wait(registry: Registry, bomb: bytes) -> float:
    """Seconds of the slowest of many small requests while the bomb is received and refused."""
    stop, waits = threading.Event(), [0.0]

    def others() -> None:
        with Client(registry.address) as client:
            while not stop.is_set():
                began = time.monotonic()
                client.get("/v2/").expect(200)
                waits.append(time.monotonic() - began)
                stop.wait(0.002)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        refused(put(registry.address, bomb), REFUSED["invalid"])
    finally:
        stop.set()
        thread.join()
    return max(waits)
