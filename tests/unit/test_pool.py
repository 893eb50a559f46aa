"""Threads with one session each: who is served when, what is refused, and what ends."""

import asyncio
import threading
import time

import pytest

from dockboard_registry.clients import Client, current_client
from dockboard_registry.db import DatabaseBusy
from dockboard_registry.db.pool import Pool


class Session:
    """Does what it is given."""

    connected = True

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def pooled(size: int, work, **options):
    """What the coroutine function `work` returns, of a pool. All its sessions are closed then."""
    sessions: list[Session] = []

    def opened() -> Session:
        sessions.append(Session())
        return sessions[-1]

    async def main():
        pool = Pool("test", size, opened, **options)
        try:
            return await work(pool)
        finally:
            await asyncio.to_thread(pool.close)

    outcome = asyncio.run(main())
    assert len(sessions) <= size and all(session.closed for session in sessions)
    return outcome, len(sessions)


def test_a_thread_starts_only_where_none_is_idle():
    async def work(pool):
        for _ in range(20):
            await pool.submit(lambda _: time.sleep(0.001))
            await asyncio.sleep(0.002)
        return pool.use()

    use, threads = pooled(4, work)
    assert threads <= 2 and use.busy == 0 and use.waiting == 0


def test_all_threads_work_at_once():
    async def work(pool):
        barrier = threading.Barrier(4)
        return await asyncio.gather(*(pool.submit(lambda _: barrier.wait(10)) for _ in range(4)))

    places, threads = pooled(4, work)
    assert sorted(places) == [0, 1, 2, 3] and threads == 4


@pytest.mark.parametrize("connections", [1, 5])
def test_clients_take_turns(connections):
    """A client with a hundred pieces of work, over however many connections, and three that come after it."""

    async def work(pool):
        ended = []

        async def ask(owner: str, connection: int) -> None:
            current_client.set(Client(owner, connection))
            await pool.submit(lambda _: time.sleep(0.003))
            ended.append(owner)

        asked = [asyncio.create_task(ask("greedy", number % connections)) for number in range(100)]
        await asyncio.sleep(0.02)
        asked += [asyncio.create_task(ask(name, 1)) for name in ("a", "b", "c")]
        await asyncio.gather(*asked)
        return ended

    ended, _ = pooled(1, work)
    assert len(ended) == 103 and max(ended.index(name) for name in "abc") < 50


def test_work_that_waited_too_long_is_refused():
    async def work(pool):
        first = pool.submit(lambda _: time.sleep(0.3))
        late = pool.submit(lambda _: "late")
        await first
        with pytest.raises(DatabaseBusy):
            await late
        return await pool.submit(lambda _: "in time")

    assert pooled(1, work, patience=0.1)[0] == "in time"


def test_what_nobody_waits_for_is_not_done_and_errors_come_through():
    async def work(pool):
        done = []
        first = pool.submit(lambda _: time.sleep(0.1))
        pool.submit(done.append).cancel()
        await first
        with pytest.raises(ZeroDivisionError):
            await pool.submit(lambda _: 1 / 0)
        return done

    assert pooled(1, work)[0] == []


def test_the_end_waits_for_the_work_that_was_asked_for():
    done = []

    async def work(pool):
        for number in range(10):
            pool.submit(lambda _, number=number: (time.sleep(0.005), done.append(number)))

    pooled(2, work)
    assert sorted(done) == list(range(10))
