"""strace on a running process: kill it or fail a call at the Nth time, or log its calls for reading."""

import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ATTACHED = re.compile(r"Process \d+ attached")
CALL = re.compile(r"^(?P<thread>\d+)\s+(?P<name>\w+)\((?P<arguments>.*)\)\s+= (?P<result>.*)$")
UNFINISHED = re.compile(r"^(?P<thread>\d+)\s+(?P<head>\w+\(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(?P<thread>\d+)\s+<\.\.\. \w+ resumed>(?P<tail>.*)$")
PATH = re.compile(r"^\d+<(?P<path>[^>]*)>|^AT_FDCWD<[^>]*>")


class Call(NamedTuple):
    """One finished system call; `path` is that of its first descriptor, "" where it has none."""

    thread: int
    name: str
    arguments: str
    result: str

    @property
    def path(self) -> str:
        found = PATH.match(self.arguments)
        return (found and found["path"]) or ""

    @property
    def failed(self) -> bool:
        return self.result.startswith("-1")


class Strace:
    """strace attached to a process with all its threads, from `start` (which returns once it is attached) to `stop`."""

    def __init__(self, pid: int, log: Path, *options: str):
        self.log = log
        # -y names the file behind each descriptor; -s keeps logs of written blobs short
        self._command = ["strace", "-f", "-y", "-s", "64", "-o", str(log), *options, "-p", str(pid)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> "Strace":
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        said = ""
        for line in self._process.stderr:
            said += line
            if ATTACHED.search(line):
                break
        else:
            raise AssertionError(f"{' '.join(self._command)}: {said}")
        # strace blocks when nobody reads what it says about new threads
        threading.Thread(target=self._process.stderr.read, daemon=True).start()
        return self

    def stop(self) -> None:
        """Detach; the traced process goes on untouched."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> "Strace":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    def calls(self) -> list[Call]:
        """The log, in the order in which the calls returned."""
        return list(parse(self.log.read_text(errors="replace").splitlines()))


def parse(lines: list[str]) -> Iterator[Call]:
    """Joins calls that strace had to split because another thread came between."""
    begun: dict[str, str] = {}
    for line in lines:
        if found := UNFINISHED.match(line):
            begun[found["thread"]] = found["head"]
            continue
        if found := RESUMED.match(line):
            line = f"{found['thread']} {begun.pop(found['thread'], '')}{found['tail']}"
        if found := CALL.match(line):
            yield Call(int(found["thread"]), found["name"], found["arguments"], found["result"])


def kill_at(call: str, number: int) -> list[str]:
    """Options that SIGKILL the process as a thread of it enters `call` for the Nth time."""
    return ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]


def fail_at(call: str, error: str, when: str) -> list[str]:
    """Options that make `call` return an error without doing anything; `when` as strace writes it: "3", "1+"."""
    return ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
