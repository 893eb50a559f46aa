"""Running a coroutine without a task as long as it waits at most once.

Most answers are found without waiting (SQLite reads run in place), or after one wait for a database or a thread. A task
costs such a request about 15 microseconds and three turns of the event loop; this driver makes a task only at the
second wait.
"""

import asyncio
import types
from collections.abc import Callable, Coroutine

running: set[Coroutine] = set()


def run(coroutine: Coroutine, done: Callable[[], None]) -> None:
    """Run to the end; `done` is called after it, whatever it was.

    The coroutine handles its own exceptions. Before its second wait it has no current task, so it must not use
    asyncio.timeout there.
    """
    try:
        waiting_for = coroutine.send(None)
    except StopIteration:
        done()
        return
    running.add(coroutine)
    if isinstance(waiting_for, asyncio.Future):
        waiting_for.add_done_callback(lambda _: _go_on(coroutine, done))
    else:
        _make_task(coroutine, waiting_for, done)


def _go_on(coroutine: Coroutine, done: Callable[[], None]) -> None:
    """After the first wait: the future that the coroutine awaits has its result, and hands it over by itself."""
    try:
        waiting_for = coroutine.send(None)
    except StopIteration:
        _end(coroutine, done)
    except BaseException:
        _end(coroutine, done)
        raise
    else:
        _make_task(coroutine, waiting_for, done)


def _make_task(coroutine: Coroutine, waiting_for: object, done: Callable[[], None]) -> None:
    asyncio.ensure_future(_rest(coroutine, waiting_for)).add_done_callback(lambda _: _end(coroutine, done))


def _end(coroutine: Coroutine, done: Callable[[], None]) -> None:
    running.discard(coroutine)
    done()


async def _rest(coroutine: Coroutine, waiting_for: object) -> None:
    await _pass_on(coroutine, waiting_for)


@types.coroutine
def _pass_on(coroutine: Coroutine, waiting_for: object):
    while True:
        try:
            sent = yield waiting_for
        except BaseException as error:
            step, argument = coroutine.throw, error
        else:
            step, argument = coroutine.send, sent
        try:
            waiting_for = step(argument)
        except StopIteration:
            return
