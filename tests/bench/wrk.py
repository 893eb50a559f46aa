"""Load by wrk, which costs less CPU per request than anything written in Python, for GET of small answers."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import NamedTuple

from tests.bench.client import BadAnswer
from tests.bench.servers import MissingTool


class Load(NamedTuple):
    requests: int
    seconds: float


def get(
    address: tuple[str, int], target: str, headers: dict[str, str], connections: int, seconds: int, scheme: str = "http"
) -> Load:
    """GET the target for whole seconds over keep-alive connections; BadAnswer when one answer is not 2xx or a socket
    failed.
    """
    command = [program(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    url = f"{scheme}://{address[0]}:{address[1]}{target}"
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise BadAnswer(f"{url}: {output}")
    count, duration, unit = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", output).groups()
    return Load(int(count), float(duration) * {"ms": 0.001, "s": 1, "m": 60}[unit])


def program() -> str:
    found = shutil.which("wrk")
    if not found:
        raise MissingTool("wrk is not installed: apt-get install wrk")
    return found
