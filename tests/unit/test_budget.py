"""The budget of a worker's memory: who gets room, who waits, and who has to go."""

import asyncio
import time

import pytest

from dockboard_registry.errors import Unavailable
from dockboard_registry.http import budget as module
from dockboard_registry.http.budget import Budget, Share

LIMIT = 100


class Owner:
    """Shares of one budget, and whose connections were cut."""

    def __init__(self) -> None:
        self.counted: dict[str, float] = {}
        self.cut: list[str] = []
        self.budget = Budget(
            lambda name, amount: self.counted.update({name: self.counted.get(name, 0) + amount}), LIMIT
        )

    def share(self, name: str, size: int = 0, age: float = 0.0) -> Share:
        share = self.budget.share(lambda: self.cut.append(name))
        assert share.take(size)
        share.since -= age
        return share


@pytest.fixture
def owner() -> Owner:
    return Owner()


def test_what_is_released_is_there_for_others(owner):
    first = owner.share("first", 60)
    second = owner.share("second", 40)
    assert owner.budget.left == 0
    first.release()
    first.release()
    assert owner.budget.left == 60 and second.take(100)


def test_a_share_grows_and_shrinks(owner):
    share = owner.share("one", 10)
    assert share.take(90) and owner.budget.left == 10
    assert share.take(20) and owner.budget.left == 80
    assert not share.take(101) and owner.budget.left == 80


def test_who_has_held_theirs_for_longest_goes_first(owner):
    for name, age in (("oldest", 9), ("old", 5), ("young", 0)):
        owner.share(name, 30, age)
    assert owner.budget.share(lambda: None).take(40)
    assert owner.cut == ["oldest"] and owner.counted == {"memory_cut_total": 1}
    assert owner.budget.share(lambda: None).take(30)
    assert owner.cut == ["oldest", "old"]


def test_nobody_is_cut_in_the_first_second(owner):
    owner.share("young", 90, 0.5)
    assert not owner.share("new").take(20)
    assert owner.cut == []


def test_nobody_is_cut_for_their_own_sake(owner):
    slow = owner.share("slow", 90, 50)
    assert not slow.take(101)
    assert owner.cut == [] and slow.size == 90


def test_who_has_done_their_part_stays(owner):
    whole = owner.share("whole", 90, 50)
    whole.settle()
    assert not owner.share("new").take(20)
    assert owner.cut == [] and owner.budget.left == 10
    whole.release()
    assert owner.budget.left == LIMIT


def test_who_waits_gets_room_as_soon_as_there_is_some(owner):
    async def main() -> float:
        first, second = owner.share("first", 90), owner.share("second")
        asyncio.get_running_loop().call_later(0.2, first.release)
        began = time.monotonic()
        await second.grow(50, 10)
        assert second.size == 50
        return time.monotonic() - began

    assert 0.1 < asyncio.run(main()) < 1


def test_who_waits_in_vain_is_asked_to_come_again(owner, monkeypatch):
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.2)

    async def main() -> None:
        owner.share("first", 90)
        with pytest.raises(Unavailable) as refused:
            await owner.share("second").grow(50, 10)
        assert refused.value.headers == {"Retry-After": "2"}

    asyncio.run(main())
    assert owner.counted == {"memory_refused_total": 1}


def test_those_who_wait_hold_little_themselves(owner):
    """A quarter of the limit lies in memory for answers that wait; more are refused at once."""

    async def main() -> list:
        owner.share("first", 90, 0)
        waiting = [asyncio.ensure_future(owner.share("waiting").grow(20, 10)) for _ in range(2)]
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await owner.share("one more").grow(20, 10)
        assert time.monotonic() - began < 0.1
        return await asyncio.gather(*waiting, return_exceptions=True)

    # After a second the first has to go, and there is room for both.
    assert asyncio.run(main()) == [None, None] and owner.cut == ["first"]
