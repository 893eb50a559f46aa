"""Coroutines that run without a task as long as they wait once at most."""

import asyncio
import contextvars
import gc

from dockboard_registry.http import start_now


class Log(list):
    """What happened, in order."""

    def done(self) -> None:
        self.append("done")


def test_what_needs_no_waiting_is_over_at_once():
    async def main() -> None:
        log = Log()

        async def inner() -> str:
            return "inner"

        async def work() -> None:
            log.append(await inner())

        start_now.run(work(), log.done)
        assert log == ["inner", "done"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_the_rest_goes_on_in_a_task():
    async def main() -> None:
        log, gate, end = Log(), asyncio.get_running_loop().create_future(), asyncio.Event()

        async def work() -> None:
            log.append("begun")
            log.append(await gate)
            await asyncio.sleep(0)
            log.append(await asyncio.to_thread(lambda: "thread"))
            async with asyncio.timeout(5):
                await asyncio.sleep(0.001)
            log.append("end")

        start_now.run(work(), lambda: (log.done(), end.set()))
        assert log == ["begun"]
        gate.set_result("went on")
        await end.wait()
        assert log == ["begun", "went on", "thread", "end", "done"]

    asyncio.run(main())


def test_one_wait_needs_no_task():
    async def main() -> None:
        log, gate = Log(), asyncio.get_running_loop().create_future()

        async def work() -> None:
            log.append(await gate)

        start_now.run(work(), log.done)
        assert len(asyncio.all_tasks()) == 1 and len(start_now.running) == 1
        gate.set_result("value")
        await asyncio.sleep(0)
        assert log == ["value", "done"] and not start_now.running

    asyncio.run(main())


def test_an_awaited_future_that_is_cancelled_ends_the_coroutine_and_done_is_called():
    async def main() -> None:
        log, gate, said = Log(), asyncio.get_running_loop().create_future(), []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

        async def work() -> None:
            await gate

        start_now.run(work(), log.done)
        gate.cancel()
        await asyncio.sleep(0.01)
        assert log == ["done"] and not start_now.running

    asyncio.run(main())


def test_a_future_that_is_done_needs_no_task():
    async def main() -> None:
        log, gate = Log(), asyncio.get_running_loop().create_future()
        gate.set_result("value")

        async def work() -> None:
            log.append(await gate)

        start_now.run(work(), log.done)
        assert log == ["value", "done"]

    asyncio.run(main())


def test_errors_of_what_is_awaited_arrive_in_the_coroutine():
    async def main() -> None:
        log, gate, end = Log(), asyncio.get_running_loop().create_future(), asyncio.Event()

        async def work() -> None:
            for wait in (gate, asyncio.sleep(-1), asyncio.wait_for(asyncio.Event().wait(), 0.01)):
                try:
                    await wait
                except Exception as error:
                    log.append(type(error))

        start_now.run(work(), lambda: (log.done(), end.set()))
        gate.set_exception(KeyError("x"))
        await end.wait()
        assert log == [KeyError, TimeoutError, "done"]

    asyncio.run(main())


def test_a_cancelled_task_ends_the_coroutine_with_its_finally_and_done():
    async def main() -> None:
        log, end = Log(), asyncio.Event()

        async def work() -> None:
            await asyncio.sleep(0)
            try:
                await asyncio.Event().wait()
            finally:
                log.append("finally")

        start_now.run(work(), lambda: (log.done(), end.set()))
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.sleep(0.01)
        task.cancel()
        await end.wait()
        assert log == ["finally", "done"]

    asyncio.run(main())


def test_a_coroutine_may_handle_cancellation_and_wait_on():
    async def main() -> None:
        log, end = Log(), asyncio.Event()

        async def work() -> None:
            await asyncio.sleep(0)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.001)
                log.append("tidied up")

        start_now.run(work(), lambda: (log.done(), end.set()))
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.sleep(0.01)
        task.cancel()
        await end.wait()
        assert log == ["tidied up", "done"]

    asyncio.run(main())


def test_many_at_once_keep_apart_and_none_is_lost_to_garbage_collection():
    async def main() -> None:
        results, end = [], asyncio.Event()
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=-1)

        async def work(number: int) -> None:
            await asyncio.sleep(0.001 * (number % 7))
            variable.set(number)
            await asyncio.sleep(0.001)
            results.append((number, variable.get()))

        def done() -> None:
            if len(results) == 300:
                end.set()

        for number in range(300):
            start_now.run(work(number), done)
        gc.collect()
        await asyncio.wait_for(end.wait(), 10)
        assert sorted(results) == [(number, number) for number in range(300)]
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
