"""Namespaces: the names that users and organizations share, and who holds each.

A name that was given up belongs to nobody for the quarantine, and for as long as something is stored under it. Whoever
took it over would get what others had pushed, and what others still pull.
"""

from typing import NamedTuple

from ...db import Tx, now
from ...errors import AccountUnknown, ChangeRefused, FieldInvalid
from ...names import LIBRARY, OFFICIAL
from ...wording import quoted
from ..access.rule import PRIVATE, PUBLIC
from ..explore import repository_facts

VISIBILITIES = (PUBLIC, PRIVATE)
ORGANIZATION, SYSTEM = "organization", "system"
_FIND = "SELECT name, kind, holder_id, default_visibility, released_at FROM namespaces WHERE name = ?"
# The names that begin with NAMESPACE/ are less than NAMESPACE0, because 0 comes after the slash.
_FILLED = (
    "SELECT 1 FROM repositories JOIN manifests ON manifests.repository_id = repositories.id"
    " WHERE repositories.name > ? AND repositories.name < ? LIMIT 1"
)
_SETTLE = "UPDATE repositories SET visibility = ? WHERE visibility IS NULL AND name > ? AND name < ?"
# The settings of a repository outlive its content, and somebody else made them.
_FORGET = (
    "UPDATE repositories SET visibility = ?, description = NULL WHERE name > ? AND name < ?"
    " AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.repository_id = repositories.id)"
)


class Namespace(NamedTuple):
    name: str
    kind: str
    holder_id: int
    default_visibility: str
    released_at: int | None


def find(tx: Tx, name: str) -> Namespace | None:
    """The namespace, also a released one."""
    row = tx.one(_FIND, name)
    return Namespace(*row) if row else None


def require_held(tx: Tx, name: str) -> None:
    """Raise AccountUnknown if nobody holds the namespace."""
    found = find(tx, name)
    if name != LIBRARY and (found is None or found.released_at is not None):
        raise AccountUnknown(
            f"nobody holds the namespace {name}", "make the user or the organization of that name first"
        )


def claim(tx: Tx, name: str, kind: str, holder_id: int, quarantine: float, adopt: bool = False) -> None:
    """Give the name to the holder; quarantine in seconds.

    adopt: also a reserved name, and one under which something is stored. Administrators do so. Raises ChangeRefused.
    The caller's transaction began with access_changed.
    """
    if not adopt and name in OFFICIAL:
        raise ChangeRefused(f"the name {name} is for those who run the registry", "choose another name")
    found = find(tx, name)
    if found is not None and found.released_at is None:
        raise ChangeRefused(f"the name {name} is taken", "choose another name")
    if found is not None and now() < found.released_at + int(quarantine * 1000):
        raise ChangeRefused(
            f"the name {name} was given up lately and is not free yet", "choose another name, or wait (auth.quarantine)"
        )
    if not adopt and tx.one(_FILLED, *bounds(name)):
        raise ChangeRefused(f"there are repositories in the namespace {name} already", "choose another name")
    tx.run("DELETE FROM namespaces WHERE name = ?", name)
    tx.run(
        "INSERT INTO namespaces (name, kind, holder_id, default_visibility, released_at) VALUES (?, ?, ?, ?, NULL)",
        name,
        kind,
        holder_id,
        PRIVATE,
    )
    tx.run(_SETTLE, PRIVATE, *bounds(name))
    tx.run(_FORGET, PRIVATE, *bounds(name))
    repository_facts.hide(tx, name, *bounds(name))


def drop(tx: Tx, name: str) -> None:
    """Free the name at once, with the grants in it. Its holder never used it."""
    tx.run("DELETE FROM namespaces WHERE name = ?", name)
    _end(tx, name)


def release(tx: Tx, name: str) -> None:
    """Give the name up, with all grants in it and its quota."""
    tx.run("UPDATE namespaces SET released_at = ? WHERE name = ?", now(), name)
    _end(tx, name)


def take_back(tx: Tx, name: str) -> None:
    """Give a released name back to its holder."""
    tx.run("UPDATE namespaces SET released_at = NULL WHERE name = ?", name)


def _end(tx: Tx, name: str) -> None:
    tx.run("DELETE FROM grants WHERE namespace = ?", name)
    tx.run("DELETE FROM quotas WHERE namespace = ?", name)


def set_default(tx: Tx, name: str, visibility: str) -> None:
    """Set the visibility of repositories that are pushed from now on."""
    require_held(tx, name)
    if name == LIBRARY and find(tx, name) is None:
        tx.insert(
            "INSERT INTO namespaces (name, kind, holder_id, default_visibility, released_at) VALUES (?, ?, 0, ?, NULL)",
            name,
            SYSTEM,
            visibility,
        )
    tx.run("UPDATE namespaces SET default_visibility = ? WHERE name = ?", visibility, name)
    repository_facts.show_unset(tx, name, visibility)


def visibility(text: str) -> str:
    """Raises FieldInvalid."""
    if text not in VISIBILITIES:
        raise FieldInvalid(f"the visibility {quoted(text)} is not one of public and private", "say public or private")
    return text


def bounds(name: str) -> tuple[str, str]:
    """Names of repositories below the namespace are greater than the first of these and less than the second."""
    return f"{name}/", f"{name}0"
