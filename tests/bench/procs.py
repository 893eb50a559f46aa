"""What a tree of processes costs, read from the kernel: CPU seconds and proportional memory.

Works on Linux only. All figures are of the server's tree; the load generator is a different process and never counted.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path

MIB = 1 << 20
PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """The process and all its descendants that are alive, parents first."""
    found = [pid]
    for parent in found:
        found.extend(_children(parent))
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for task in (PROC / str(pid) / "task").glob("*/children"):
        try:
            children.extend(int(child) for child in task.read_text().split())
        except OSError:  # the thread or the process ended since glob saw it
            continue
    return children


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the processes since they started, dead threads included.

    The process clock has nanoseconds where /proc/PID/stat has ticks of 10 ms, which is more than many a measurement
    here.
    Source: clock_getcpuclockid(3); the id of a process clock is the complement of the pid, shifted, with 2 for
    "scheduled time".
    Raises OSError when one of them has ended: a figure without it would be wrong.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def threads(pids: list[int]) -> int:
    """How many threads the processes have now."""
    return sum(len(list((PROC / str(pid) / "task").iterdir())) for pid in pids)


def pss(pids: list[int]) -> float:
    """MiB of the processes, where a page that n processes share counts 1/n for each of them."""
    return sum(_rollup(pid) for pid in pids) / MIB


def _rollup(pid: int) -> int:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def pss_alone(pids: list[int]) -> float:
    """MiB of the processes as if nobody else ran the same programs.

    PSS makes a server look smaller on a machine where other processes (this benchmark is one) map the same interpreter.
    Anonymous pages are counted by PSS, as only the tree shares them; of each mapped file the largest resident part
    counts once.
    """
    anonymous = 0
    files: dict[str, int] = defaultdict(int)
    for pid in pids:
        for path, rss, share, private_dirty in _mappings(pid):
            if path.startswith("/"):
                files[path] = max(files[path], rss - private_dirty)
                anonymous += private_dirty
            else:
                anonymous += share
    return (anonymous + sum(files.values())) / MIB


def _mappings(pid: int):
    """(path or '', rss, pss, private dirty) for each file or run of mappings of a process, in bytes."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    fields = {"Rss:": 0, "Pss:": 1, "Private_Dirty:": 2}
    path = ""
    for line in (PROC / str(pid) / "smaps").read_text().splitlines():
        words = line.split(None, 5)
        if words[0] in fields:
            sums[path][fields[words[0]]] += int(words[1]) * 1024
        elif not words[0].endswith(":"):
            path = words[5] if len(words) > 5 else ""
    return [(name, *numbers) for name, numbers in sums.items()]


class PeakMemory:
    """Context manager: samples the PSS of a tree while something runs; afterwards .before and .peak are MiB."""

    def __init__(self, pid: int, interval: float = 0.1):
        self.pid = pid
        self.interval = interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self.before = self.peak = pss(tree(self.pid))
        self._thread.start()
        return self

    def __exit__(self, *_error) -> None:
        self._done.set()
        self._thread.join()

    @property
    def added(self) -> float:
        return self.peak - self.before

    def _sample(self) -> None:
        while not self._done.wait(self.interval):
            self.peak = max(self.peak, pss(tree(self.pid)))
