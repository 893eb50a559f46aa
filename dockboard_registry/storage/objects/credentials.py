"""What the registry shows an object store to prove who it is."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...errors import StartError
from ...wording import why

# Seconds between two looks at a credentials file.
_LOOK = 5.0
_NAMES = {
    "aws_access_key_id": "access_key",
    "access_key": "access_key",
    "aws_secret_access_key": "secret_key",
    "secret_key": "secret_key",
    "aws_session_token": "token",
    "session_token": "token",
}


class Credentials(NamedTuple):
    """token: of temporary credentials."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key})"


class FixedCredentials:
    """Those of the configuration."""

    def __init__(self, credentials: Credentials):
        self._credentials = credentials

    def now(self) -> Credentials:
        return self._credentials


class FileCredentials:
    """Those of a file that somebody else renews. It is read again when it has changed.

    Its lines are NAME = VALUE with the names that AWS uses, or access_key, secret_key and session_token.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic):
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._looked, self._seen = float("-inf"), (0, 0)
        self._credentials: Credentials | None = None

    def now(self) -> Credentials:
        """Where the file cannot be used for a moment, the credentials that it had before. Raises StartError."""
        with self._lock:
            if self._clock() - self._looked > _LOOK or self._credentials is None:
                self._looked = self._clock()
                try:
                    self._look()
                except StartError:
                    if self._credentials is None:
                        raise
            return self._credentials

    def _look(self) -> None:
        try:
            found = os.stat(self._path)
            if self._seen != (found.st_mtime_ns, found.st_size):
                self._credentials = parsed(self._path.read_text("utf-8"), self._path)
                self._seen = (found.st_mtime_ns, found.st_size)
        except (OSError, UnicodeDecodeError) as error:
            raise StartError(f"can't read storage.credentials_file {self._path}: {why(error)}") from None


def parsed(text: str, path: Path) -> Credentials:
    """Raises StartError."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() in _NAMES:
            found.setdefault(_NAMES[name.strip().lower()], value.strip().strip('"'))
    if not found.get("access_key") or not found.get("secret_key"):
        raise StartError(
            f"storage.credentials_file {path} lacks aws_access_key_id or aws_secret_access_key: write"
            " lines NAME = VALUE"
        )
    return Credentials(found["access_key"], found["secret_key"], found.get("token", ""))
