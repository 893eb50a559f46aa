"""Two nodes on one MariaDB and one object store, while clients push, re-tag, mount, delete and pull.

A node is killed at any request to the store, the store goes away and comes back, its lists lag.

Nothing acknowledged is lost, nobody reads wrong bytes, and in the end the bucket has exactly what the database names.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.crew import after_fault, hire, settle, start_again
from tests.faults.journal import Journal
from tests.faults.nodes import must_be_sound, recovered, two_nodes
from tests.faults.racing import Board
from tests.faults.test_collection_race import Gc
from tests.faults.test_history import race
from tests.faults.test_kill import Collector, kill_everything
from tests.faults.verifier import own_check, residue
from tests.support.rounds import LONG
from tests.support.store_proxy import Answered, Asked, StoreProxy, answers, cut, send

SECONDS = 60.0 if LONG else 3.0
"""How long the store is away. A worker gives it up after 2 seconds."""
LAG = 2.0
"""How many seconds lists are behind."""
REQUESTS = 40
"""A node is killed at one of so many requests."""


def at_request(proxy: StoreProxy, number: int, done: bool, deed: Callable[[], None]) -> threading.Event:
    """Do something while the store is asked for the number-th time from now, before or after it has done that. The
    event says that it happened.
    """
    left, lock, happened = number, threading.Lock(), threading.Event()

    def fault(client: socket.socket, ask: Callable[[], Answered]) -> None:
        if done:
            ask()
        deed()
        happened.set()
        cut(client, ask)

    def choose(asked: Asked):
        nonlocal left
        with lock:
            left -= 1
            return fault if left == 0 else None

    proxy.fault = choose
    return happened


def test_a_node_is_killed_at_any_request_to_the_store(tmp_path, rounds, figures):
    with two_nodes(tmp_path / "data", gc_interval=1) as (nodes, proxy):
        crew = hire(nodes[0], Journal(tmp_path / "journal"), 4, nodes)
        for number in range(rounds(4, 200)):
            victim = random.choice(nodes)
            with Collector(nodes[0]) as collector, crew:
                kill = lambda: kill_everything(victim)
                happened = at_request(proxy, random.randint(1, REQUESTS), random.random() < 0.5, kill)
                assert happened.wait(60), "the store was not asked so often"
            proxy.fault = lambda asked: None
            assert collector.failures == []
            found = start_again(victim)
            crew.forget_errors()
            assert found + after_fault(crew, figures) == [], f"round {number}"
        assert settle(crew, figures) == []


class Silence:
    """No answer to anybody until it is over; then the connections break."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self, client: socket.socket, ask: Callable[[], Answered]) -> None:
        self.over.wait()
        cut(client, ask)


FAULTS = {"gone": lambda: cut, "silent": Silence, "overloaded": lambda: answers(503, "SlowDown", Retry_After="1")}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_goes_away_and_comes_back(tmp_path, fault, rounds, figures):
    with two_nodes(tmp_path / "data", gc_interval=1) as (nodes, proxy):
        crew = hire(nodes[0], Journal(tmp_path / "journal"), 4, nodes)
        for number in range(rounds(1, 5)):
            with crew:
                time.sleep(0.5)
                away = FAULTS[fault]()
                proxy.fault = lambda asked: away
                time.sleep(SECONDS)
                proxy.fault = lambda asked: None
                if isinstance(away, Silence):
                    away.over.set()
                # The breaker tries again after 10 seconds at most.
                figures.most(recovery=recovered(nodes))
            must_be_sound(crew, figures, f"{fault}, round {number}")
        assert settle(crew, figures) == []


class OldLists:
    """Answers a list as it did the last time, for a while."""

    def __init__(self, seconds: float):
        self._seconds, self._lock = seconds, threading.Lock()
        self._known: dict[tuple, tuple[float, Answered]] = {}
        self.old = 0

    def __call__(self, asked: Asked):
        if asked.verb not in ("GET list-type", "GET uploads"):
            return None
        name = (asked.path, *sorted(asked.query.items()))

        def fault(client: socket.socket, ask: Callable[[], Answered]) -> None:
            with self._lock:
                at, answer = self._known.get(name, (0.0, None))
                fresh = answer is None or time.monotonic() - at > self._seconds
            if fresh:
                at, answer = time.monotonic(), ask()
                with self._lock:
                    self._known[name] = at, answer
            else:
                self.old += 1
            send(client, *answer)

        return fault


def test_lists_that_lag_lose_nothing(tmp_path, rounds, figures):
    """A collector sees objects that are gone, and misses those that are new."""
    with two_nodes(tmp_path / "data", gc_interval=1, gc_lease=0) as (nodes, proxy):
        proxy.fault = lists = OldLists(LAG)
        stop = threading.Event()
        collectors = [Gc(node, stop) for node in nodes]
        for collector in collectors:
            collector.start()
        try:
            for seed in range(rounds(1, 20)):
                race([node.address for node in nodes], Board(seed, 0), rounds(800, 5_000), figures)
        finally:
            stop.set()
            for collector in collectors:
                collector.join()
        assert [error for collector in collectors for error in collector.errors] == []
        assert lists.old > 0
        figures.add(collections=sum(collector.runs for collector in collectors), old_lists=lists.old)
        proxy.fault = lambda asked: None
        assert own_check(nodes[0]) + residue(nodes[0]) + own_check(nodes[1]) == []
