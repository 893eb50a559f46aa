"""Lists of tags: filtered, sorted and read by the page, however many there are.

A page begins after the key of a tag: its value of the sort and its name. So a tag that goes leaves no gap, and a new
one shifts nothing. Sorting uses indexes. A filter looks at a bounded number of tags; the page says where to go on.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...db import Tx
from ...db.each import EachLimited
from ...errors import FieldInvalid
from ...names import sort_key as names_key
from ..explore.conditions import escaped, like
from . import kinds, manifest_facts, own_sizes
from .manifest_facts import ManifestFacts

PUSHED, NAME, SIZE, PULLED, OWN = SORTS = ("pushed", "name", "size", "pulled", "own")
ALL, IMAGES, CHARTS, OTHER, TOOLS = FILTERED_KINDS = ("all", "images", "charts", "other", "tools")
MOST_COUNTED = 100_000
# Tags that one page looks at. They are looked at in pieces that become larger.
_MOST_LOOKED_AT, _FIRST_PIECE, _GROWTH = 200_000, 2_000, 5
_COLUMNS = "SELECT name, digest, updated_at, pushed_by, pulls, pulled_at FROM tags WHERE repository_id = ?"
# Tags that cosign and others make for what belongs to a manifest: sha256-HEX, .sig or another end.
MADE_BY_TOOLS = "(name >= 'sha256-' AND name < 'sha256.' AND LENGTH(name) >= 71)"
_KEPT_COUNT = "SELECT tags_count FROM repository_facts WHERE repository_id = ?"
# Above this, the count may be some moments old.
_COUNTED_ANEW = 2_000
_COUNT = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM tags WHERE repository_id = ? {} LIMIT 100001) counted"
_FOUND = "SELECT name, digest FROM tags WHERE repository_id = ? {} ORDER BY name LIMIT ?"
# In these, COLUMN is what the list is sorted by; LESS, MORE and WAY say in which direction.
_BEYOND = " AND COLUMN LESS= ? AND (COLUMN LESS ? OR name LESS ?)"
_UNTIL = " AND COLUMN MORE= ? AND (COLUMN MORE ? OR NOT name LESS ?)"
_ORDER_BY = " ORDER BY COLUMN WAY, name WAY"
_PLACE = f"SELECT COLUMN, name FROM tags WHERE repository_id = ?BEYOND{_ORDER_BY} LIMIT 1 OFFSET ?"
_BETWEEN = f"{_COLUMNS}BEYOND{_ORDER_BY} LIMIT ?"
_UNSORTED = "SELECT 1 FROM tags WHERE repository_id = ? AND sort_key IS NULL LIMIT 1"
_KINDS = {IMAGES: (kinds.IMAGE, kinds.INDEX), CHARTS: (kinds.CHART,)}
_HAS_KIND = (
    "EXISTS (SELECT 1 FROM manifest_facts WHERE manifest_facts.repository_id = tags.repository_id AND"
    " manifest_facts.digest = tags.digest AND manifest_facts.kind {} (?, ?))"
)
_HAS_PLATFORM = (
    "EXISTS (SELECT 1 FROM manifest_facts WHERE manifest_facts.repository_id = tags.repository_id AND"
    " manifest_facts.digest = tags.digest AND (manifest_facts.platforms LIKE ? ESCAPE '|' OR manifest_facts.platforms"
    " LIKE ? ESCAPE '|'))"
)
_SIZES = (
    "SELECT size, digest FROM manifest_facts WHERE repository_id = ? AND size IS NOT NULL AND size {0}= ? AND"
    " (size {0} ? OR digest {0} ?) ORDER BY size {1}, digest {1} LIMIT ?"
)
MOST_ROWS = 100
MOST_ROWS_AND_ONE = MOST_ROWS + 1
# The plus keeps SQLite from reading all tags of the repository in the order of their names.
_OF_DIGEST = f"{_COLUMNS}CONDITIONBEYOND AND digest = ? ORDER BY +name WAY LIMIT {MOST_ROWS_AND_ONE}"
_BEYOND_NAME = " AND +name LESS ?"
_SIZE_PIECE = 25


class TagQuery(NamedTuple):
    """text: the part of a name, or a pattern with *. descending: None is the usual way of the sort. after, before: the
    key of a tag; the page has what follows, or precedes. at: begin at this time in milliseconds since 1970, name, or
    size in bytes. limit: at most MOST_ROWS.
    """

    text: str = ""
    kind: str = ALL
    platform: str = ""
    sort: str = PUSHED
    descending: bool | None = None
    after: str = ""
    before: str = ""
    at: str = ""
    limit: int = 25

    @property
    def downwards(self) -> bool:
        return self.sort != NAME if self.descending is None else self.descending

    @property
    def filters(self) -> bool:
        return bool(self.text or self.platform or self.kind != ALL)


class ListedTag(NamedTuple):
    """Times in milliseconds since 1970. pushed_by: an actor of the audit; None if not known. facts: None for a long
    manifest that was pushed just now. own: bytes that no other image has, where the list is sorted by them.
    """

    name: str
    digest: str
    updated_at: int
    pushed_by: str | None
    pulls: int
    pulled_at: int | None
    facts: ManifestFacts | None = None
    own: int = 0


class TagPage(NamedTuple):
    """count: how many tags the filter finds; None if there are more than can be counted. total: the same without the
    filter. tools: how many tags tools made. after: where the next page begins, before: where the one before ends; None
    if there is none. complete: False if the page has less because it looked at the bounded number of tags.
    """

    tags: list[ListedTag]
    count: int | None
    total: int | None
    tools: int
    after: str | None
    before: str | None
    complete: bool = True


def page(tx: Tx, repository_id: int, query: TagQuery) -> TagPage:
    """The page of the query, with the facts of its manifests."""
    condition, values = _filter(query)
    tools = _count(tx, repository_id, f"AND {MADE_BY_TOOLS}", ())
    every = _count_all(tx, repository_id)
    total = None if every is None or tools is None else every - tools
    count = total if not query.filters else None if every is None else _count(tx, repository_id, condition, values)
    rows, stop = _rows(tx, repository_id, query, condition, values) if count != 0 else ([], None)
    more, rows = len(rows) > query.limit, rows[: query.limit]
    if query.before:
        rows.reverse()
    tags = _with_facts(tx, repository_id, rows)
    after, before = _ends(query, tags, more, stop)
    return TagPage(tags, count, total, tools or 0, after, before, stop is None)


def found(tx: Tx, repository_id: int, query: TagQuery, most: int) -> dict[str, str] | None:
    """Names and digests of all tags that the filter finds; None if there are more than `most`."""
    condition, values = _filter(query)
    rows = tx.all(_FOUND.format(condition), repository_id, *values, most + 1)
    return dict(rows) if len(rows) <= most else None


def key_of(query: TagQuery, tag: ListedTag) -> str:
    """The key of a tag in this order."""
    return f"{_value(query.sort, tag)}~{tag.name}"


def _value(sort: str, tag: ListedTag) -> str:
    if sort in _OF_TAG:
        value = _OF_TAG[sort](tag)
        return "" if value is None else str(value)
    size = tag.facts.size if tag.facts and tag.facts.size is not None else 0
    return "" if sort == NAME else f"{size}~{tag.digest}"


_TIMES = {PUSHED: "updated_at", PULLED: "pulled_at"}
# What a list is sorted by, where the tag itself has it. A tag that was never pulled has no time.
_OF_TAG = {PUSHED: lambda tag: tag.updated_at, PULLED: lambda tag: tag.pulled_at, OWN: lambda tag: tag.own}


def _ends(query: TagQuery, tags: list[ListedTag], more: bool, stop: str | None) -> tuple[str | None, str | None]:
    """Where the next page begins, and where the one before ends. stop: the key up to which tags were looked at."""
    keys = [key_of(query, tag) for tag in tags]
    if query.before:
        return (keys[-1] if keys else query.before), (keys[0] if more else stop)
    first = keys[0] if keys else query.after
    return (keys[-1] if more else stop), (first or None if query.after or query.at else None)


def _with_facts(tx: Tx, repository_id: int, tags: Sequence[ListedTag]) -> list[ListedTag]:
    known = manifest_facts.known(tx, repository_id, sorted({tag.digest for tag in tags}))
    return [tag._replace(facts=known.get(tag.digest)) for tag in tags]


def _count(tx: Tx, repository_id: int, condition: str, values: Sequence[Any]) -> int | None:
    """None if there are too many."""
    (found,) = tx.one(_COUNT.format(condition), repository_id, *values)
    return found if found <= MOST_COUNTED else None


def _count_all(tx: Tx, repository_id: int) -> int | None:
    """Of many tags the count that is kept for lists of repositories (domain/explore/counting.py)."""
    (kept,) = tx.one(_KEPT_COUNT, repository_id) or (0,)
    if kept > _COUNTED_ANEW:
        return kept if kept <= MOST_COUNTED else None
    return _count(tx, repository_id, "", ())


def _filter(query: TagQuery) -> tuple[str, list[Any]]:
    """What follows the condition on the repository, and its values."""
    found = MADE_BY_TOOLS if query.kind == TOOLS else f"NOT {MADE_BY_TOOLS}"
    parts: list[str] = [found]
    values: list[Any] = []
    if query.text:
        parts.append("LOWER(name) LIKE ? ESCAPE '|'")
        values.append(like(query.text.lower()))
    if query.kind in (IMAGES, CHARTS, OTHER):
        wanted = _KINDS.get(query.kind, (kinds.IMAGE, kinds.INDEX))
        parts.append(_HAS_KIND.format("NOT IN" if query.kind == OTHER else "IN"))
        values += [wanted[0], wanted[-1]]
    if query.platform:
        platform = escaped(query.platform)
        parts.append(_HAS_PLATFORM)
        values += [f"%,{platform},%", f"%,{platform}/%"]
    return "".join(f" AND {part}" for part in parts), values


def _rows(
    tx: Tx, repository_id: int, query: TagQuery, condition: str, values: Sequence[Any]
) -> tuple[list[ListedTag], str | None]:
    """One more than the page has, in the order of the query, or the other way round for what precedes a key. Also the
    key of the last tag that was looked at, if there may be more, but too many were looked at.
    """
    if query.sort == SIZE:
        return _by_size(tx, repository_id, query, condition, values)
    if query.sort == OWN:
        return _by_own(tx, repository_id, query, condition, values)
    down = query.downwards != bool(query.before)
    walk = _Walk(query.sort, down, tx, repository_id)
    if query.sort == NAME and tx.one(_UNSORTED, repository_id):
        walk.column = "name"
    walks = _pulled_and_never(walk, query, down) if query.sort == PULLED else [(walk, walk.start(query))]
    return _walked(walks, query, condition, values)


def _walked(
    walks: Sequence[tuple["_Walk", tuple | None]], query: TagQuery, condition: str, values: Sequence[Any]
) -> tuple[list[ListedTag], str | None]:
    """One way after the other, each from its position on."""
    found, looked = [], 0
    for walk, position in walks:
        piece = _FIRST_PIECE
        while True:
            end = walk.end(position, piece) if query.filters else None
            found += walk.between(position, end, condition, values, query.limit + 1 - len(found))
            looked += piece
            if len(found) > query.limit:
                return found, None
            if end is None:
                break
            if looked >= _MOST_LOOKED_AT:
                return found, walk.key(end)
            position, piece = end, min(piece * _GROWTH, _MOST_LOOKED_AT - looked)
    return found, None


def _pulled_and_never(pulled: "_Walk", query: TagQuery, down: bool) -> list[tuple["_Walk", tuple | None]]:
    """Tags that were pulled, by time, and those that never were, by name. These are the last ones downwards."""
    never = pulled.of_never_pulled()
    key = query.before or query.after
    value, separator, name = key.rpartition("~")
    if key and not separator:
        raise bad_key()
    if key and not value:
        return [(never, (name, name)), *([] if down else [(pulled, None)])]
    rest = [(pulled, pulled.start(query)), *([(never, None)] if down else [])]
    return rest if down or key or query.at else [(never, None), *rest]


class _Walk:
    """Goes through the tags of a repository along an index. A position: the value of the sort and a name."""

    def __init__(self, sort: str, down: bool, tx: Tx, repository_id: int):
        self.column = _TIMES.get(sort, "sort_key")
        self._within = " AND pulled_at IS NOT NULL" if sort == PULLED else ""
        self._sort, self._tx, self._repository = sort, tx, repository_id
        self._less, self._more, self._way = ("<", ">", "DESC") if down else (">", "<", "ASC")

    def of_never_pulled(self) -> "_Walk":
        """The same way through the tags that were never pulled, by name."""
        found = copy.copy(self)
        found.column, found._within = "name", " AND pulled_at IS NULL"
        return found

    def start(self, query: TagQuery) -> tuple | None:
        """Raises FieldInvalid."""
        key = query.before or query.after
        if not key:
            return (self._value(query.at, query.at), "") if query.at else None
        value, separator, name = key.rpartition("~")
        if not separator:
            raise bad_key()
        return self._value(value, name), name

    def _value(self, value: str, name: str) -> Any:
        if self._sort in _TIMES:
            return whole(value)
        return names_key(name) if self.column == "sort_key" else name

    def end(self, position: tuple | None, piece: int) -> tuple | None:
        """The position of the last one of so many tags. None if there are less."""
        beyond, values = self._beyond(position)
        return self._tx.one(self._text(_PLACE.replace("BEYOND", beyond)), self._repository, *values, piece - 1)

    def key(self, position: tuple) -> str:
        """The key of a tag at this position."""
        value, name = position
        return f"{value if self.column in _TIMES.values() else ''}~{name}"

    def between(
        self, position: tuple | None, end: tuple | None, condition: str, values: Sequence[Any], limit: int
    ) -> list[ListedTag]:
        """Tags beyond the position, up to the end, which is among them."""
        beyond, after = self._beyond(position)
        upto = (end[0], end[0], end[1]) if end else ()
        text = _BETWEEN.replace("BEYOND", beyond + (_UNTIL if end else "") + condition)
        rows = self._tx.all(self._text(text), self._repository, *after, *upto, *values, limit)
        return [_tag(row) for row in rows]

    def _beyond(self, position: tuple | None) -> tuple[str, tuple]:
        if position is None:
            return self._within, ()
        return self._within + _BEYOND, (position[0], position[0], position[1])

    def _text(self, text: str) -> str:
        """The statement with the column and the direction in it."""
        for word, value in (("LESS", self._less), ("MORE", self._more), ("WAY", self._way), ("COLUMN", self.column)):
            text = text.replace(word, value)
        return text


def _tag(row: tuple) -> ListedTag:
    name, digest, updated_at, pushed_by, pulls, pulled_at = row
    return ListedTag(name, digest, updated_at, pushed_by, pulls or 0, pulled_at)


def _by_size(
    tx: Tx, repository_id: int, query: TagQuery, condition: str, values: Sequence[Any]
) -> tuple[list[ListedTag], str | None]:
    """The same by size: manifests in the order of their sizes, and the tags of each by name. Those whose size is not
    known are left out.
    """
    down = query.downwards != bool(query.before)
    size, digest, name = _size_position(query, down)
    way = "DESC" if down else "ASC"
    of_digest = _OF_DIGEST.replace("CONDITION", condition).replace("WAY", way)
    found: list[ListedTag] = []
    if digest:
        beyond = of_digest.replace("BEYOND", _BEYOND_NAME.replace("LESS", "<" if down else ">"))
        found += map(_tag, tx.all(beyond, repository_id, *values, name, digest))
    statement, looked = EachLimited(of_digest.replace("BEYOND", "")), 0
    while len(found) <= query.limit and looked < _MOST_LOOKED_AT:
        sql = _SIZES.format("<" if down else ">", way)
        sizes = tx.all(sql, repository_id, size, size, digest, _SIZE_PIECE)
        if not sizes:
            return found, None
        looked, (size, digest) = looked + len(sizes), sizes[-1]
        place = {each: at for at, (_, each) in enumerate(sizes)}
        rows = statement.all(tx, (repository_id, *values), list(place))
        tags = sorted(map(_tag, rows), key=lambda tag: tag.name, reverse=down)
        found += sorted(tags, key=lambda tag: place[tag.digest])  # noqa: B023
    # Behind all tags of this manifest: no name has a ~.
    stop = f"{size}~{digest}~{'' if down else '~'}"
    return found[: query.limit + 1], None if len(found) > query.limit else stop


def _by_own(
    tx: Tx, repository_id: int, query: TagQuery, condition: str, values: Sequence[Any]
) -> tuple[list[ListedTag], None]:
    """All tags that the filter finds are sorted here: own_sizes.py refuses where they are many."""
    own = own_sizes.of_tags(tx, repository_id)
    rows = tx.all(f"{_COLUMNS}{condition}", repository_id, *values)
    tags = [tag._replace(own=own.get(tag.digest, 0)) for tag in map(_tag, rows)]
    down = query.downwards != bool(query.before)
    tags.sort(key=lambda tag: (tag.own, tag.name), reverse=down)
    value, separator, name = (query.before or query.after or (query.at and f"{query.at}~")).rpartition("~")
    if separator:
        place = whole(value), name
        tags = [tag for tag in tags if ((tag.own, tag.name) < place if down else (tag.own, tag.name) > place)]
    elif query.before or query.after:
        raise bad_key()
    return tags[: query.limit + 1], None


def _size_position(query: TagQuery, down: bool) -> tuple[int, str, str]:
    """Size, digest and name where the page begins."""
    key = query.before or query.after
    if key:
        return size_key(key)
    if query.at:
        return whole(query.at), "", ""
    return (2**63 - 1 if down else -1), "", ""


def size_key(key: str) -> tuple[int, str, str]:
    """Size, digest and name of a key. Raises FieldInvalid."""
    size, _, rest = key.partition("~")
    digest, separator, name = rest.partition("~")
    if not separator:
        raise bad_key()
    return whole(size), digest, name


def whole(text: str) -> int:
    """A number in a key. Raises FieldInvalid."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise bad_key()
    return int(text)


def bad_key() -> FieldInvalid:
    return FieldInvalid("the list has no such place", "begin at its first page")
