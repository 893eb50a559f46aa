"""Lists of the repositories that somebody may pull: what they have, and how they are asked for."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...db import Row, Tx
from ...db.each import Each
from ...errors import FieldInvalid
from ..access.rule import PUBLIC, Principal
from . import conditions, reach
from .conditions import in_namespace, statement

NAME, PUSHED, SIZE, STARS, PULLS = "name", "pushed", "size", "stars", "pulls"
COLUMNS = {NAME: "name", PUSHED: "pushed_at", SIZE: "size", STARS: "stars", PULLS: "pulls"}
SORTS = tuple(COLUMNS)
ROW = (
    "repositories.name, repositories.visibility, namespaces.default_visibility, repositories.description,"
    " repositories.created_at, repository_facts.pushed_at, repository_facts.tags_count, repository_facts.newest_tag,"
    " repository_facts.newest_digest, repository_facts.size, repository_facts.kind, repository_facts.platforms,"
    " repository_facts.stars, repository_facts.pulls, repository_facts.pulled_at, repository_facts.layers"
)
_ALL = (
    f"SELECT {ROW} FROM repositories LEFT JOIN repository_facts ON repository_facts.repository_id = repositories.id"
    " LEFT JOIN namespaces ON namespaces.name = CASE INSTR(repositories.name, '/') WHEN 0 THEN 'library' ELSE"
    " SUBSTR(repositories.name, 1, INSTR(repositories.name, '/') - 1) END"
)
_ONE = f"{_ALL} WHERE repositories.name = ?"
_NAMED = Each(f"{_ALL} WHERE repositories.name IN (...)")
_EVERY = f"{_ALL} WHERE repositories.name > ? ORDER BY repositories.name LIMIT ?"
_STARRED = (
    f"{_ALL} JOIN stars ON stars.repository_id = repositories.id WHERE stars.user_id = ? AND repositories.name > ?"
    " ORDER BY repositories.name"
)
_LONGEST_VALUE = 18
_COUNT = "SELECT COUNT(*) FROM repository_facts"


class ListedRepository(NamedTuple):
    """Times in milliseconds since 1970. size: of the newest tag's image, in bytes. platforms: its platforms. layers:
    its layers (newest_layers.py); None if they are not known yet.
    """

    name: str
    visibility: str
    description: str | None
    created_at: int
    pushed_at: int
    tags_count: int = 0
    newest_tag: str | None = None
    newest_digest: str | None = None
    size: int = 0
    kind: str = ""
    platforms: tuple[str, ...] = ()
    stars: int = 0
    pulls: int = 0
    pulled_at: int | None = None
    layers: str | None = None


class Key(NamedTuple):
    """A place in a list. value: what the list is sorted by; the name itself where it is sorted by name."""

    value: Any
    name: str

    def __str__(self) -> str:
        """The text for an address, as `parse_key` reads it."""
        return self.name if isinstance(self.value, str) else f"{self.value}~{self.name}"


def parse_key(text: str, sort: str) -> Key:
    """Raises FieldInvalid."""
    if sort == NAME:
        return Key(text, text)
    value, mark, name = text.partition("~")
    if not mark or not (value.isascii() and value.isdigit()) or len(value) > _LONGEST_VALUE:
        raise FieldInvalid("this is no place in the list", "take the address of a page as the list before it says")
    return Key(int(value), name)


class Wanted(NamedTuple):
    """What a list shows. Names are sorted upwards, everything else downwards.

    text: part of a name or description. kinds: any of them. after: only what follows this key. before: the page that
    ends before this key.
    """

    sort: str = NAME
    limit: int = 50
    text: str = ""
    namespace: str = ""
    kinds: tuple[str, ...] = ()
    platform: str = ""
    after: Key | None = None
    before: Key | None = None
    category: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether many repositories may have to be looked at for one page."""
        return bool(self.text or self.kinds or self.platform or self.category)


class Page(NamedTuple):
    """next: the key after which to go on. previous: the key before which there is something. None: there is nothing.

    A page may be short although more follow, because the work for one page is bounded.
    """

    items: list[ListedRepository]
    next: Key | None
    previous: Key | None


def key(item: ListedRepository, sort: str) -> Key:
    return Key(getattr(item, COLUMNS[sort]), item.name)


def listed(row: Row) -> ListedRepository:
    """The repository of a row with the columns ROW."""
    name, own, default, description, created_at, pushed_at, *counted = row
    visibility = own or default or PUBLIC
    if pushed_at is None:  # made by a server of the version before
        return ListedRepository(name, visibility, description, created_at, created_at)
    found = ListedRepository(name, visibility, description, created_at, pushed_at, *counted)
    return found._replace(platforms=tuple(filter(None, found.platforms.split(","))))


def one(tx: Tx, name: str) -> ListedRepository | None:
    row = tx.one(_ONE, name)
    return row and listed(row)


def named(tx: Tx, names: Sequence[str]) -> list[ListedRepository]:
    """Those of these names that there are, in no order."""
    return [listed(row) for row in _NAMED.all(tx, (), names)]


def every(tx: Tx, after: str, limit: int) -> list[ListedRepository]:
    """Repositories with names greater than `after` in byte order, whoever may pull them."""
    return [listed(row) for row in tx.all(_EVERY, after, limit)]


def starred(tx: Tx, user_id: int, after: str) -> list[ListedRepository]:
    """What the user starred, with names greater than `after`, whether they may still pull it or not."""
    return [listed(row) for row in tx.all(_STARRED, user_id, after)]


def count(tx: Tx, principal: Principal, namespace: str = "") -> int | None:
    """How many repositories the principal may pull, also in one namespace alone.

    None: to know it, the rule would have to be asked about each.
    """
    found = reach.of(principal)
    if not found.exact:
        return None
    within = [in_namespace(namespace)] if namespace else []
    if found.everything:
        return tx.one(*statement(_COUNT, within))[0]
    total = tx.one(*statement(_COUNT, [*within, conditions.PUBLIC]))[0] if found.public else 0
    rest = [conditions.PRIVATE] if found.public else []
    return total + sum(tx.one(*statement(_COUNT, [way, *rest]))[0] for way in conditions.spaces(found, namespace))
