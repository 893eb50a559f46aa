"""The process with the doubles of vendors' stores, and the options of a registry whose blobs are in one of them."""

from __future__ import annotations

import atexit
import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

from dockboard_registry.storage.objects.vendors.kodo import Kodo
from tests.support.cloud_double import BUCKET, KEYS, REGION

ROOT = Path(__file__).parents[2]


@functools.cache
def _process() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.cloud_process"]
    made = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(_end, made)
    return made


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


class Cloud:
    """The doubles of one vendor."""

    def __init__(self, vendor: str):
        self.vendor = vendor

    def make(self, ahead: float = 0) -> str:
        """Make an empty bucket; its endpoint, which is its name here. ahead: seconds by which its clock is."""
        process = _process()
        process.stdin.write(f"{self.vendor} {ahead}\n")
        process.stdin.flush()
        return f"http://127.0.0.1:{int(process.stdout.readline())}"

    def settings(self, endpoint: str, prefix: str = "", more: str = "") -> dict[str, object]:
        style = "" if self.vendor == "kodo" else "&style=cname"
        where = f"{self.vendor}://{BUCKET}/{prefix}?region={REGION}{style}&endpoint={endpoint}{more}"
        return {
            "storage_url": where,
            "storage_access_key": KEYS.access_key,
            "storage_secret_key": KEYS.secret_key,
        }


def drop(bucket: Any) -> None:
    """Take an empty bucket away. bucket: the requests to it."""
    if isinstance(bucket, Kodo):
        bucket.manage("POST", f"{bucket.place.rs}/drop/{BUCKET}")
    else:
        bucket.call("DELETE", None)
