"""A server that nobody asks anything sleeps."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.support.http import Client
from tests.support.server import Registry

SECONDS = 5


def wakes(pid: int) -> int:
    """How often the threads of a process have gone to sleep so far, which is how often they woke."""
    files = [thread / "status" for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read_text(), re.M)[1]) for file in files)


@pytest.mark.alone
def test_an_idle_server_wakes_less_than_once_a_second(tmp_path):
    with Registry(tmp_path / "data", workers=2) as registry:
        with Client(registry.address) as client:
            client.push_image("app", "v1")
        time.sleep(2.5)  # the log is written, and the last look at connections is over
        processes = [registry.pid, *registry.workers()]
        before = [wakes(pid) for pid in processes]
        time.sleep(SECONDS)
        grown = [wakes(pid) - count for pid, count in zip(processes, before)]
    # The heartbeat, or one look at what is due.
    assert all(count <= SECONDS for count in grown), grown
