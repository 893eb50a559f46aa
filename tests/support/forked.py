"""Commands of registry.pyz without its start: a process that has read the program forks for each of them.

Reading the program takes ten times as long as most commands on accounts. Tests that only need accounts run hundreds.
What a test is about, it runs as users do: Registry.run.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_MOST_BYTES = 1 << 20
# This process forks for each command and does not wait. The fork forks again, for the command, and says how it ended.
_READER = """
import gc, json, os, pkgutil, signal, socket, sys

sys.path.insert(0, sys.argv[1])
from dockboard_registry.archive import compile_once
compile_once()
import dockboard_registry
for module in pkgutil.walk_packages(dockboard_registry.__path__, "dockboard_registry."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
from dockboard_registry.cli.main import main


def watch(asked, answer, *descriptors):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if not child:
        run(asked, descriptors)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(answer, str(status).encode())
    os._exit(0)


def run(asked, descriptors):
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["command"]
    sys.exit(main())


# What is here already is of no use to the collector of forks, which would copy it.
gc.freeze()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
asker = socket.socket(fileno=int(sys.argv[2]))
while True:
    message, descriptors, _, _ = socket.recv_fds(asker, 1 << 20, 4)
    if not message:
        break
    if not os.fork():
        asker.detach()
        watch(json.loads(message), *descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
"""


class _Forks:
    """A process that waits for commands."""

    def __init__(self, pyz: Path):
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-c", _READER, str(pyz), str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd="/")

    def run(self, message: bytes, files: Sequence[IO[bytes]], timeout: float) -> int:
        """The exit status of the command, which has these files as its first descriptors."""
        answer, theirs = os.pipe()
        with open(answer, "rb") as answered:
            with open(theirs, "wb") as told:
                socket.send_fds(self._socket, [message], [told.fileno(), *(file.fileno() for file in files)])
            ready, _, _ = select.select([answered], [], [], timeout)
            assert ready, f"the command did not end within {timeout} s: {message!r}"
            return int(answered.read())

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


@functools.cache
def _forks(pyz: Path) -> _Forks:
    made = _Forks(pyz)
    atexit.register(made.close)
    return made


def run(
    pyz: Path, *words: str, environment: Mapping[str, str], given: str = "", timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Like subprocess.run of registry.pyz with these words; `given` is its standard input."""
    command = [str(pyz), *words]
    message = json.dumps({"command": command, "environment": dict(environment)}).encode()
    assert len(message) < _MOST_BYTES
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(given.encode())
        files[0].seek(0)
        status = _forks(pyz).run(message, files, timeout)
        for file in files[1:]:
            file.seek(0)
        return subprocess.CompletedProcess(command, status, *(file.read().decode() for file in files[1:]))
