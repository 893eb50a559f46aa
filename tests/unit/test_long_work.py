"""Long work takes turns, and only so many bytes may wait for their turn."""

import asyncio
import time

import pytest

from dockboard_registry.clients import Client, current_client
from dockboard_registry.domain.content.long_work import LongWork
from dockboard_registry.errors import Unavailable

MIB = 1 << 20


async def work(long_work: LongWork, notes: list, seconds: float, size: int = MIB) -> None:
    async with long_work.take(size):
        notes.append(("begin", time.monotonic()))
        await asyncio.sleep(seconds)
        notes.append(("end", time.monotonic()))


def test_one_works_at_a_time():
    async def main():
        long_work, notes = LongWork(), []
        await asyncio.gather(work(long_work, notes, 0.05), work(long_work, notes, 0.0))
        assert [what for what, _ in notes] == ["begin", "end", "begin", "end"]

    asyncio.run(main())


def test_work_that_fails_ends_its_turn():
    async def main():
        long_work = LongWork()
        with pytest.raises(RuntimeError):
            async with long_work.take(MIB):
                raise RuntimeError
        async with asyncio.timeout(5), long_work.take(MIB):
            pass

    asyncio.run(main())


def test_more_bytes_than_there_is_room_for_do_not_wait():
    async def main():
        long_work, notes = LongWork(), []
        waiting = [asyncio.ensure_future(work(long_work, notes, 0.01, 4 * MIB)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await work(long_work, notes, 0.0)
        await asyncio.gather(*waiting)
        await work(long_work, notes, 0.0, 16 * MIB)
        assert len(notes) == 10

    asyncio.run(main())


def test_a_small_one_waits_for_one_large_one_of_another_client_at_most():
    async def main():
        long_work, order = LongWork(), []

        async def of(owner: str, seconds: float, size: int) -> None:
            current_client.set(Client(owner))
            async with long_work.take(size):
                await asyncio.sleep(seconds)
                order.append(owner)

        mallory = [asyncio.create_task(of("mallory", 0.1, 2 * MIB)) for _ in range(4)]
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        await asyncio.create_task(of("bob", 0.0, MIB // 16))
        assert order == ["mallory", "bob"]
        assert time.monotonic() - begun < 0.3
        await asyncio.gather(*mallory)

    asyncio.run(main())


def test_one_client_takes_not_all_of_the_room():
    async def main():
        long_work, notes = LongWork(), []
        current_client.set(Client("mallory"))
        waiting = [asyncio.create_task(work(long_work, notes, 0.0, 4 * MIB)) for _ in range(8)]
        await asyncio.sleep(0)
        current_client.set(Client("bob"))
        await work(long_work, notes, 0.0, 4 * MIB)
        refused = [error for error in await asyncio.gather(*waiting, return_exceptions=True) if error]
        assert [type(error) for error in refused] == [Unavailable] * 4

    asyncio.run(main())


def test_all_of_the_room_is_there_again_when_several_clients_have_had_it():
    async def main():
        long_work, notes, waiting = LongWork(), [], []
        for owner in ("mallory", "mallory", "mallory", "mallory", "ann", "bob"):
            current_client.set(Client(owner))
            waiting.append(asyncio.create_task(work(long_work, notes, 0.02, 4 * MIB)))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        current_client.set(Client("carol"))
        await work(long_work, notes, 0.0, 24 * MIB)
        assert len(notes) == 14

    asyncio.run(main())


def test_one_who_went_away_holds_up_nobody():
    async def main():
        long_work, notes = LongWork(), []
        first = asyncio.create_task(work(long_work, notes, 0.05))
        gone = [asyncio.create_task(work(long_work, notes, 0.0)) for _ in range(3)]
        await asyncio.sleep(0)
        gone[0].cancel()
        await first
        gone[1].cancel()  # its turn has begun
        async with asyncio.timeout(5):
            await gone[2]
            await work(long_work, notes, 0.0, 24 * MIB)
        assert [what for what, _ in notes].count("end") == 3

    asyncio.run(main())
