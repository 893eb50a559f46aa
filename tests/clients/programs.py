"""Running the real clients: each call is a process, and a failure shows what the program printed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.tools import tool

TIMEOUT = 100


@dataclass(frozen=True)
class Program:
    """A client with the options that every call of it gets, before and after its arguments."""

    name: str
    environment: Mapping[str, str]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    path: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", str(tool(self.name)))

    def __call__(self, *arguments: object, input: bytes = b"") -> str:
        """What the program wrote to standard output, without the last line end; AssertionError when it fails."""
        return self.output(*arguments, input=input).decode().rstrip("\n")

    def output(self, *arguments: object, input: bytes = b"") -> bytes:
        """The same as bytes, untouched."""
        done = self._run(arguments, input)
        assert done.returncode == 0, _report(done)
        return done.stdout

    def printed(self, *arguments: object, input: bytes = b"") -> str:
        """Standard output and error of a run that must succeed."""
        done = self._run(arguments, input)
        assert done.returncode == 0, _report(done)
        return (done.stdout + done.stderr).decode(errors="replace")

    def refused(self, *arguments: object, input: bytes = b"") -> str:
        """Standard output and error of a run that must fail; AssertionError when it succeeds."""
        done = self._run(arguments, input)
        assert done.returncode != 0, "succeeded, but had to fail\n" + _report(done)
        return (done.stdout + done.stderr).decode(errors="replace")

    def with_options(self, *before: str) -> Program:
        """The same program with other leading options."""
        return replace(self, before=before)

    def _run(self, arguments: Sequence[object], input: bytes) -> subprocess.CompletedProcess[bytes]:
        command = [self.path, *self.before, *map(str, arguments), *self.after]
        try:
            return subprocess.run(
                command, input=input, capture_output=True, env=dict(self.environment), timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired as late:
            done = subprocess.CompletedProcess(command, -1, late.stdout or b"", late.stderr or b"")
            raise AssertionError(f"no end within {TIMEOUT} s\n{_report(done)}") from None


def _report(done: subprocess.CompletedProcess[bytes]) -> str:
    printed = "\n".join(part.decode(errors="replace")[-4000:] for part in (done.stdout, done.stderr) if part)
    return f"{' '.join(done.args)}\nexit status {done.returncode}\n{printed}"


def private_environment(home: Path) -> dict[str, str]:
    """An environment in which clients find no configuration but what is in `home`, and write nowhere else."""
    containers = home / ".config" / "containers"
    containers.mkdir(parents=True)
    (containers / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (containers / "registries.conf").write_text("unqualified-search-registries = []\n")
    (containers / "auth.json").write_text("{}")
    (home / "tmp").mkdir()
    (home / "run").mkdir(mode=0o700)
    return {
        "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "CONTAINERS_REGISTRIES_CONF": str(containers / "registries.conf"),
        "REGISTRY_AUTH_FILE": str(containers / "auth.json"),
        "DOCKER_CONFIG": str(home / ".docker"),
        "REGCTL_CONFIG": str(home / "regctl.json"),
        # The build that does not need a second program.
        "DOCKER_BUILDKIT": "0",
        "LC_ALL": "C.UTF-8",
    }


def forget_images(docker: Program) -> None:
    """Remove every image of the daemon, and the containers that hold one."""
    docker("container", "prune", "--force")
    docker("image", "prune", "--all", "--force")
    assert docker("image", "ls", "--all", "--quiet") == ""


def forget_content(ctr: Program) -> None:
    """Remove every image of the namespace and what only they used."""
    images = ctr("images", "list", "--quiet").split()
    if images:
        ctr("images", "remove", "--sync", *images)
    assert ctr("content", "list", "--quiet") == ""
