"""Calls to a file system that may wait for another machine: only so many wait for an answer."""

import asyncio
import threading

import pytest

from dockboard_registry.storage import StorageFailed
from dockboard_registry.storage.calls import Calls


def test_256_calls_wait_and_one_more_is_refused_at_once():
    async def main() -> None:
        calls, answers = Calls(is_local=False, threads=1), threading.Event()
        waiting = [asyncio.ensure_future(calls.short(answers.wait)) for _ in range(256)]
        await asyncio.sleep(0)
        with pytest.raises(StorageFailed, match="too many calls wait"):
            await calls.short(answers.wait)
        answers.set()
        assert await asyncio.gather(*waiting) == [True] * 256
        await calls.short(answers.wait)
        calls.close()

    asyncio.run(main())
