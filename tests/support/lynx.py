"""lynx, a browser for terminals, which has no scripts, style sheets and mouse. Keys in a terminal drive it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.tools import tool

_ENVIRONMENT = {"TERM": "vt100", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LINES": "200", "COLUMNS": "120"}
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|[\x00-\x08\x0e-\x1f]")


def dump(url: str) -> str:
    """The page as lynx prints it, with its links and fields numbered."""
    command = [tool("lynx"), "-dump", "-number_fields", "-nolist", "-width=120", "-accept_all_cookies", url]
    done = subprocess.run(command, capture_output=True, timeout=60, env={**os.environ, **_ENVIRONMENT})
    return done.stdout.decode(errors="replace")


def numbers(html: str) -> str:
    """The same of a page's text: which number each link and field has."""
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
        file.write(html)
        file.flush()
        return dump(file.name)


def number_of(html: str, pattern: str) -> int:
    """The number of the link or field in the pattern's group. The pattern is looked for in what `numbers` says."""
    shown = numbers(html)
    found = re.search(pattern, shown)
    assert found, f"{pattern!r} is not in\n{shown}"
    return int(found[1])


class Lynx:
    """One lynx in a terminal. `keys` are typed with a pause after each piece; `seen` is all that it wrote."""

    def __init__(self, url: str) -> None:
        self._home = tempfile.TemporaryDirectory()
        master, slave = pty.openpty()
        command = [tool("lynx"), "-accept_all_cookies", "-nopause", "-nocolor", url]
        environment = {**os.environ, **_ENVIRONMENT, "HOME": self._home.name}
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self._terminal, self.seen = master, ""
        self.keys(until="Arrow keys")

    def read(self, quiet: float = 0.5, most: float = 20) -> str:
        """What it writes until it has been quiet for a moment."""
        end, data = time.monotonic() + most, b""
        while time.monotonic() < end and select.select([self._terminal], [], [], quiet)[0]:
            try:
                data += os.read(self._terminal, 65536)
            except OSError:
                break
        text = _CONTROL.sub(b" ", data).decode(errors="replace")
        self.seen += text
        return text

    def keys(self, *pieces: str, until: str = "") -> str:
        """Type each piece, and read what comes; what came after the last one. until: go on until this comes."""
        text = ""
        for piece in pieces:
            os.write(self._terminal, piece.encode())
            text = self.read()
        end = time.monotonic() + 30
        while until not in text and time.monotonic() < end:
            text += self.read(most=1)
        return text

    def __enter__(self) -> Lynx:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._terminal)
        self._home.cleanup()
