"""A docker daemon of the tests' own: no service manager, no network, everything below one temporary directory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.tools import ended, missing, need, tool

START_SECONDS = 60
STOP_SECONDS = 30


class Dockerd:
    """`dockerd` with the containerd that it starts itself.

    Needs root. Registries on 127.0.0.0/8 are spoken to over http.

    `host` is what DOCKER_HOST wants, `containerd` the path of the socket for `ctr`. `stop` ends both processes by their
    ids and removes their files.
    """

    def __init__(self) -> None:
        self._program = tool("dockerd")
        need("containerd", "runc")
        if os.geteuid() != 0:
            missing("root, as whom dockerd has to run,")
        # A short path of our own: the name of a unix socket has 107 bytes at most, pytest's directories can take them
        # all.
        self.root = Path(tempfile.mkdtemp(prefix="dockerd-"))
        self.socket = self.root / "docker.sock"
        self.host = f"unix://{self.socket}"
        self.containerd = self.root / "exec" / "containerd" / "containerd.sock"
        self.log = self.root / "dockerd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Dockerd:
        """Start the daemon and return once it answers; AssertionError with its log when it does not."""
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_text = self.tail()
                self.stop()
                raise AssertionError(f"dockerd did not start:\n{log_text}")
            time.sleep(0.1)
        return self

    def _command(self) -> list[str]:
        return [
            str(self._program),
            *("--data-root", str(self.root / "data")),
            *("--exec-root", str(self.root / "exec")),
            *("--pidfile", str(self.root / "dockerd.pid")),
            *("--host", self.host),
            *("--storage-driver", "vfs"),
            *("--insecure-registry", "127.0.0.0/8"),
            "--iptables=false",
            "--bridge=none",
        ]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(5)
                probe.connect(str(self.socket))
                probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in probe.recv(64)
        except OSError:
            return False

    def tail(self, size: int = 8192) -> str:
        """The end of the daemon's log."""
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def stop(self) -> None:
        """SIGTERM, which ends containerd too; SIGKILL to both if that takes too long."""
        if self._process is None:
            return
        process, self._process = self._process, None
        containerd = self._containerd_pid()
        ended(process, STOP_SECONDS)
        if containerd and _is_containerd(containerd):
            os.kill(containerd, signal.SIGKILL)
        self._remove()

    def _containerd_pid(self) -> int:
        try:
            return int((self.containerd.parent / "containerd.pid").read_text())
        except (OSError, ValueError):
            return 0

    def _remove(self) -> None:
        # dockerd binds its data directory to itself; a killed one leaves that mount behind.
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for point in sorted((point for point in mounted if point.startswith(f"{self.root}/")), reverse=True):
            subprocess.run(["umount", "--lazy", point], check=True)
        shutil.rmtree(self.root)

    def __enter__(self) -> Dockerd:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _is_containerd(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "containerd"
    except OSError:
        return False
