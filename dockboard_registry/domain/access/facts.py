"""What the rule of rule.py has to know about a repository, read with each request.

The same statement reads what the request is about. So the question of rights costs no round trip of its own, and the
answer is what the rule was asked about. A statement with facts begins with COLUMNS, its tables with TABLES, and its
first two parameters are the repository's name and namespace. Other tables are left-joined, so there is always one row.
"""

from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ...db import Database, Tx
from ...names import namespace_of
from ..changes import ACCESS_VERSION
from . import rule
from .rule import PRIVATE, PUBLIC, Object

COLUMNS = (
    f"SELECT {ACCESS_VERSION}, repositories.id IS NOT NULL, repositories.visibility, namespaces.name,"
    " namespaces.default_visibility"
)
TABLES = (
    "FROM (SELECT 1 AS one) request LEFT JOIN repositories ON repositories.name = ? LEFT JOIN namespaces ON"
    " namespaces.name = ?"
)
MOST = 100
_MARKS = ", ".join("?" * MOST)
_REPOSITORIES = f"SELECT name, visibility FROM repositories WHERE name IN ({_MARKS})"
_NAMESPACES = f"SELECT name, default_visibility FROM namespaces WHERE name IN ({_MARKS})"


class Question(NamedTuple):
    """A statement with facts, and its third parameter if it has one."""

    sql: str
    wanted: tuple[str, ...] = ()


class Facts(NamedTuple):
    """access_version: 0 if no account was ever made. object: the repository. content: the answer to the question."""

    access_version: int
    object: Object
    content: Sequence[Any]


ALONE = Question(f"{COLUMNS} {TABLES}")


def ask(db: Database, repository: str, question: Question = ALONE) -> Awaitable[Facts]:
    """The facts of a repository, which need not exist, and the answer to the question."""
    sql, wanted = question
    namespace = namespace_of(repository)

    def read(tx: Tx) -> Facts:
        value, exists, visibility, held, default, *content = tx.one(sql, repository, namespace, *wanted)
        return Facts(value, _object(repository, exists, visibility, held, default), content)

    return db.read(read)


async def objects(db: Database, names: list[str]) -> dict[str, Object]:
    """The repositories of these names, at most MOST, as objects of the rule. Two statements see the same moment."""
    namespaces = sorted({namespace_of(name) for name in names})

    def query(tx: Tx) -> dict[str, Object]:
        found = dict(tx.all(_REPOSITORIES, *_padded(names)))
        defaults = dict(tx.all(_NAMESPACES, *_padded(namespaces)))
        known = ((name, namespace_of(name)) for name in names)
        return {
            name: _object(
                name, name in found, found.get(name), space if space in defaults else None, defaults.get(space)
            )
            for name, space in known
        }

    return await db.scan(query)


def _padded(values: list[str]) -> list[str]:
    """Fill the list with empty texts, which find nothing, because no name is empty."""
    return values + [""] * (MOST - len(values))


@lru_cache(maxsize=1024)
def _object(repository: str, exists: int, visibility: str | None, held: str | None, default: str | None) -> Object:
    """A repository that nobody holds is public unless something else was set: it was pushed when everyone could see
    everything.
    """
    shown = visibility or default or PUBLIC if exists else PRIVATE
    return rule.repository(repository, bool(exists), shown, held is not None)
