"""Long work takes turns, leaves others a pause, and only so many bytes may wait for their turn."""

import asyncio
import time

import pytest

from dockboard_registry.domain.long_turn import LongTurn
from dockboard_registry.errors import Unavailable

MIB = 1 << 20


async def work(turn: LongTurn, notes: list, seconds: float, size: int = MIB) -> None:
    async with turn.take(size):
        notes.append(("begin", time.monotonic()))
        await asyncio.sleep(seconds)
        notes.append(("end", time.monotonic()))


def test_one_works_at_a_time_and_others_have_a_pause_behind_each():
    async def main():
        turn, notes = LongTurn(), []
        begun = time.monotonic()
        first = asyncio.ensure_future(work(turn, notes, 0.05))
        second = asyncio.ensure_future(work(turn, notes, 0.0))
        await first
        assert time.monotonic() - begun < 0.2  # whoever did the work does not wait for the pause
        await second
        assert [what for what, _ in notes] == ["begin", "end", "begin", "end"]
        assert notes[2][1] - notes[1][1] >= 0.2

    asyncio.run(main())


def test_work_that_fails_ends_its_turn():
    async def main():
        turn = LongTurn()
        with pytest.raises(RuntimeError):
            async with turn.take(MIB):
                raise RuntimeError
        async with asyncio.timeout(5), turn.take(MIB):
            pass

    asyncio.run(main())


def test_more_bytes_than_there_is_room_for_do_not_wait():
    async def main():
        turn, notes = LongTurn(), []
        waiting = [asyncio.ensure_future(work(turn, notes, 0.01, 4 * MIB)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await work(turn, notes, 0.0)
        await asyncio.gather(*waiting)
        await work(turn, notes, 0.0, 16 * MIB)
        assert len(notes) == 10

    asyncio.run(main())
