"""The programs that tests need besides Python: where they are, and what happens when one is missing.

`tests/run` installs them. Where it could not, a test that needs one is skipped and says so; with
DOCKBOARD_TESTS_REQUIRED=1, as in CI, it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

# Installed by tests/run in fixed versions, under names that other programs may have too: never looked for in PATH.
OWN = ("conformance", "registry")


def directory() -> Path:
    """Where tests/run puts the programs that it builds."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "dockboard-registry", "bin")


def tool(name: str) -> Path:
    """The path of a program; skips or fails the test when it is missing."""
    found = shutil.which(name, path=directory())
    if found is None and name not in OWN:
        # Daemons and file system tools lie where a user's PATH may not look.
        found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    return Path(found) if found else missing(f"the program {name}")


def library(name: str) -> Path:
    """The path of a shared library below a directory of libraries; skips or fails the test when it is missing."""
    found = [
        Path(directory, name)
        for directory in ("/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu")
        if Path(directory, name).exists()
    ]
    return found[0] if found else missing(f"the library {name}")


def need(*names: str) -> None:
    """Skip or fail the test unless all of these programs are there."""
    for name in names:
        tool(name)


def missing(what: str) -> NoReturn:
    """Skip the test for want of something; fail it where everything is required."""
    if os.environ.get("DOCKBOARD_TESTS_REQUIRED") == "1":
        pytest.fail(f"{what} is missing: tests/run says why it could not be installed", pytrace=False)
    pytest.skip(f"{what} is missing")


def ended(process: subprocess.Popen, seconds: float) -> bool:
    """SIGTERM, and SIGKILL where that does not end it in time; whether it did."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True
