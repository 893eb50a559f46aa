"""The id by which a store and its database know each other. The marker of the store and a row of the database have it.

4f1c                    of the first store of a registry: 32 hex digits, of which there are 4 here
4f1c.2.a1b2c3d4         of the store to which the blobs were moved last: how often they were, and a random part
copying.4f1c.2.a1b2c3d4 of that store until it has all blobs
"""

import secrets

_COPYING = "copying."


def registry_of(id: str) -> str:
    """The part that all stores of one registry have."""
    return id.removeprefix(_COPYING).partition(".")[0]


def moves_of(id: str) -> int:
    """How often the blobs of the registry had been moved when this store got them."""
    number = id.removeprefix(_COPYING).partition(".")[2].partition(".")[0]
    return int(number) if number.isdigit() else 0


def following(id: str) -> str:
    """A new id for the store to which the blobs are moved next."""
    return f"{registry_of(id)}.{moves_of(id) + 1}.{secrets.token_hex(4)}"


def unfinished(id: str) -> str:
    """The id that this store has until all blobs are there."""
    return _COPYING + id


def is_unfinished(id: str) -> bool:
    return id.startswith(_COPYING)
