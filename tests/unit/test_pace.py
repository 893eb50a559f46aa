"""Long work rests, and gives the same result as without rests."""

import asyncio
import threading
import time

from dockboard_registry.domain.content.pace import NO_PACE, Pace, rested


def busy(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_work_rests_for_longer_than_it_works():
    begun, worked = time.monotonic(), time.thread_time()
    for _ in Pace().over(range(20)):
        busy(0.002)
    worked = time.thread_time() - worked
    assert time.monotonic() - begun > 2 * worked


def test_short_work_has_no_rest():
    begun = time.monotonic()
    assert list(NO_PACE.over(range(1000))) == list(range(1000))
    assert NO_PACE.before(len) is len
    assert time.monotonic() - begun < 1


def test_the_work_is_the_same_with_rests():
    pace = Pace()
    assert list(pace.over("text")) == list("text")
    assert pace.before(divmod)(7, 2) == (3, 1)


def test_others_run_while_long_work_goes_on():
    """Without rests this thread would get the interpreter every 5 ms."""
    ended = threading.Event()

    def work() -> None:
        for _ in Pace().over(range(100)):
            busy(0.002)
        ended.set()

    thread, turns = threading.Thread(target=work), 0
    thread.start()
    while not ended.is_set():
        time.sleep(0)
        turns += 1
    thread.join()
    assert turns > 1000


def test_a_step_rests_after_its_end():
    async def main():
        begun = time.monotonic()
        assert await rested(asyncio.sleep(0.01, "outcome")) == "outcome"
        assert time.monotonic() - begun >= 0.02

    asyncio.run(main())
