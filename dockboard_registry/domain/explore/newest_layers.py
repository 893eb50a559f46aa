"""The layers of a repository's newest image as lists of repositories show them, in one column of repository_facts.

The text names the bytes of each layer in order, such as "+2310,41,+7": + where no other image of the repository has
the layer.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...numbers import LARGEST

# Parts of one text. It has room for as many in its column.
MOST = 24


class Part(NamedTuple):
    """size: in bytes. own: no other image of the repository has the layer."""

    size: int
    own: bool


def own_bytes(parts: Iterable[Part]) -> int:
    return sum(part.size for part in parts if part.own)


def written(layers: Sequence[Part]) -> str:
    """The text of these layers. Those that are too many are added up as one shared and one own part."""
    parts = list(layers)
    if len(parts) > MOST:
        rest = parts[MOST - 2 :]
        own = own_bytes(rest)
        parts[MOST - 2 :] = [Part(sum(part.size for part in rest) - own, False), Part(own, True)]
    return ",".join(f"{'+' if part.own else ''}{min(part.size, LARGEST)}" for part in parts)


def read(text: str | None) -> list[Part]:
    """Of a text that `written` made. None is no layers."""
    return [Part(int(part), part.startswith("+")) for part in text.split(",")] if text else []
