"""Short iterations of the event loop: few sockets at once, all of them in the end, and long iterations counted."""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
import time

import pytest

from dockboard_registry.http import event_loop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")
MANY = 100


@pytest.fixture
def selector():
    made = event_loop.BoundedSelector(lambda: None)
    yield made
    made.close()


@pytest.fixture
def pairs():
    made = [socket.socketpair() for _ in range(MANY)]
    yield made
    for pair in made:
        for end in pair:
            end.close()


def told(selector) -> list[int]:
    return [key.fd for key, _ in selector.select(0)]


def test_few_are_told_at_once_and_all_in_the_end(selector, pairs):
    for ours, theirs in pairs:
        selector.register(ours.fileno(), selectors.EVENT_READ, "data")
        theirs.send(b"x")
    rounds = [told(selector) for _ in range(MANY // event_loop._AT_ONCE + 1)]
    assert max(map(len, rounds)) == event_loop._AT_ONCE
    assert {number for each in rounds for number in each} == {ours.fileno() for ours, _ in pairs}


def test_reading_writing_both_and_neither(selector, pairs):
    ours, theirs = pairs[0]
    number = ours.fileno()
    selector.register(number, selectors.EVENT_READ)
    assert told(selector) == []
    selector.modify(number, selectors.EVENT_READ | selectors.EVENT_WRITE, "data")
    ((key, events),) = selector.select(0)
    assert (key.fileobj, key.data, events) == (number, "data", selectors.EVENT_WRITE)
    theirs.send(b"x")
    assert [events for _, events in selector.select(0)] == [selectors.EVENT_READ | selectors.EVENT_WRITE]
    assert selector.get_key(number).data == "data"
    selector.unregister(number)
    assert told(selector) == [] and number not in selector.get_map()
    with pytest.raises(KeyError):
        selector.unregister(number)


def test_a_hang_up_is_told_to_whoever_reads_or_writes(selector, pairs):
    ours, theirs = pairs[0]
    selector.register(ours.fileno(), selectors.EVENT_WRITE)
    theirs.close()
    assert [events for _, events in selector.select(0)] == [selectors.EVENT_WRITE]


def test_a_descriptor_that_was_closed_can_be_taken_out(selector, pairs):
    ours, _ = pairs[0]
    number = ours.fileno()
    selector.register(number, selectors.EVENT_READ)
    ours.close()
    selector.unregister(number)
    assert not selector.get_map()


def test_only_numbers_are_taken_and_each_once(selector, pairs):
    ours, _ = pairs[0]
    with pytest.raises(KeyError):
        selector.register(ours, selectors.EVENT_READ)
    selector.register(ours.fileno(), selectors.EVENT_READ)
    with pytest.raises(KeyError):
        selector.register(ours.fileno(), selectors.EVENT_READ)


def test_what_is_watched_is_called_in_its_turn_and_what_fails_there_fails_alone(pairs):
    called = []

    def call(number: int) -> None:
        called.append(number)
        pairs[number][0].recv(1)
        if number % 2:
            raise (ValueError, asyncio.CancelledError)[number % 4 == 1](number)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number, (ours, theirs) in enumerate(pairs):
            event_loop.watch(loop, ours.fileno(), lambda number=number: call(number))
            theirs.send(b"x")
        await asyncio.sleep(0)
        assert len(called) <= event_loop._AT_ONCE
        while len(called) < MANY:
            await asyncio.sleep(0)
        event_loop.unwatch(loop, pairs[0][0].fileno())
        for _, theirs in pairs[:2]:
            theirs.send(b"x")
        await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=lambda: event_loop.new_loop(lambda: None)) as runner:
        runner.run(main())
    assert sorted(called[:MANY]) == list(range(MANY)) and called[MANY:] == [1]


def test_a_loop_without_epoll_watches_as_well(pairs):
    called, (ours, theirs) = [], pairs[0]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        event_loop.watch(loop, ours.fileno(), lambda: called.append(ours.recv(1)))
        theirs.send(b"x")
        await asyncio.sleep(0.01)
        event_loop.unwatch(loop, ours.fileno())
        theirs.send(b"y")
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert called == [b"x"]


def test_a_wait_ends_at_its_time(selector):
    begun = time.monotonic()
    assert selector.select(0.02) == []
    assert time.monotonic() - begun >= 0.02


def test_a_loop_whose_turn_was_long_says_so_and_one_that_waited_does_not():
    long = []
    with asyncio.Runner(loop_factory=lambda: event_loop.new_loop(lambda: long.append(1))) as runner:

        async def main() -> int:
            await asyncio.sleep(event_loop.LONG_SECONDS * 1.5)
            waited = len(long)
            time.sleep(event_loop.LONG_SECONDS * 1.5)
            await asyncio.sleep(0)
            return waited

        assert runner.run(main()) == 0
    assert len(long) == 1
