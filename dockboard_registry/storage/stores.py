"""Which store: one driver each with the same few methods, chosen by what the configuration says.

A driver is what starts and commands see of a store, before there is an event loop. `open` gives the `Storage` that
answers requests.
"""

from pathlib import Path
from typing import Protocol

from ..private_files import make_directory, refusal
from . import Marker, Storage, filesystem


class Driver(Protocol):
    """As text it is the place of the store, for messages."""

    marked_by: str  # what holds the marker, for messages

    def exposed(self) -> str:
        """Why the place may not be used: others could change the data, or own it. Empty if it may."""

    def make(self) -> None:
        """Make the place of a new store. Raises OSError, StartError."""

    def is_empty(self) -> bool:
        """Whether nothing lies where blobs would be. Raises OSError, StartError."""

    def prepare(self, owner: Marker) -> None:
        """Make what the store needs, and mark it for its owner, unless it is marked as newer. Raises OSError,
        StartError.
        """

    def marker(self) -> Marker | None:
        """Which database owns the store; None where it is not marked yet. Raises OSError, StartError."""

    def mark(self, owner: Marker) -> None:
        """Write durably which database owns the store. Raises OSError, StartError."""

    def open(self, observer=None) -> Storage:
        """The store for this process; after fork. observer: hears of requests (outbound.client.Observer)."""


def driver(section) -> Driver:
    """The store that the section `storage` of the configuration names."""
    if section.url is None:
        return FilesystemDriver(section.root, section.reserve)
    # Only who needs an object store pays for its modules.
    from .objects.driver import ObjectDriver

    return ObjectDriver(section)


def in_directory(folder: Path) -> Driver:
    """The store that may be in this directory."""
    return FilesystemDriver(folder)


class FilesystemDriver:
    """A directory. reserve: bytes of its disk that uploads leave free, as in FilesystemStorage."""

    marked_by = f"the file {filesystem.MARKER}"

    def __init__(self, root: Path, reserve: int = -1):
        self._root, self._reserve = root, reserve

    def __str__(self) -> str:
        return str(self._root)

    def exposed(self) -> str:
        blobs = self._root / filesystem.BLOBS
        return refusal(self._root, filesystem.OWN_NAMES) or refusal(blobs, filesystem.FOLDERS)

    def make(self) -> None:
        make_directory(self._root)

    def is_empty(self) -> bool:
        folders = (self._root / filesystem.BLOBS).glob("*")
        return not any(path for folder in folders for path in folder.iterdir())

    def prepare(self, owner: Marker) -> None:
        filesystem.prepare(self._root, owner)

    def marker(self) -> Marker | None:
        return filesystem.marker(self._root)

    def mark(self, owner: Marker) -> None:
        filesystem.write_marker(self._root, owner)

    def open(self, observer=None) -> Storage:
        return filesystem.FilesystemStorage(self._root, self._reserve)
