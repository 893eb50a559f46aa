"""The command `doctor`: each area of a registry that it can examine."""

from collections.abc import Callable

from .config import Config
from .steps import Examined
from .storage import doctor


def storage(config: Config) -> Examined:
    """Try all that the registry does with its store. Nothing stays of it."""
    return doctor.examine(config.storage)


AREAS: dict[str, Callable[[Config], Examined]] = {"storage": storage}
