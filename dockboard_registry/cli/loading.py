"""The configuration that a command works with."""

import argparse
from dataclasses import replace
from pathlib import Path

from .. import config
from ..config import Config
from ..errors import StartError
from ..server import logs


def load(parsed: argparse.Namespace) -> Config:
    flags = {"config": "config", "listen": "server.listen", "data": "storage.root"}
    return config.load({key: getattr(parsed, name) for name, key in flags.items() if hasattr(parsed, name)})


def load_quietly(parsed: argparse.Namespace) -> Config:
    """For commands whose output is their result. Only warnings are logged."""
    loaded = load(parsed)
    logs.configure(replace(loaded.log, level="warning"))
    return loaded


def with_data(loaded: Config) -> Config:
    """The configuration, if the data directory exists where one is needed. Otherwise a mistyped --data would count as a
    clean, empty registry.

    Raises StartError.
    """
    needs_root = loaded.storage.url is None or isinstance(loaded.database_place, Path)
    if needs_root and not loaded.storage.root.is_dir():
        raise StartError(
            f"there is no data directory {loaded.storage.root}: name the right one with --data DIR (storage.root)"
        )
    return loaded
