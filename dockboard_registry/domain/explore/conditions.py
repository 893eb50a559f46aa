"""Parts of statements over repository_facts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...db.each import MANY
from ...names import LIBRARY, namespace_of
from ..access.patterns import Pattern
from .reach import Reach


class Condition(NamedTuple):
    sql: str
    parameters: tuple = ()


ALWAYS, NEVER = Condition("1 = 1"), Condition("1 = 0")
PUBLIC, PRIVATE = (Condition(f"repository_facts.visibility {sign} 'public'") for sign in ("=", "<>"))


def statement(sql: str, conditions: Iterable[Condition], rest: str = "") -> tuple:
    """The text of a statement, and its parameters."""
    all = both(*conditions)
    return f"{sql} WHERE {all.sql}{rest}", *all.parameters


def both(*conditions: Condition) -> Condition:
    return _joined(" AND ", conditions) if conditions else ALWAYS


def either(conditions: Sequence[Condition]) -> Condition:
    return Condition(f"({_joined(') OR (', conditions).sql})", _joined("", conditions).parameters)


def _joined(word: str, conditions: Sequence[Condition]) -> Condition:
    texts, parameters = zip(*conditions)
    return Condition(word.join(texts), tuple(parameter for some in parameters for parameter in some))


def in_namespace(name: str) -> Condition:
    return Condition("repository_facts.namespace = ?", (name,))


def ways(found: Reach, namespace: str = "") -> list[Condition]:
    """Conditions that together find all within reach, also of one namespace alone.

    An index fulfils each of them in the order of any list.
    """
    within = [in_namespace(namespace)] if namespace else []
    if found.everything:
        return within or [ALWAYS]
    return [*([both(*within, PUBLIC)] if found.public else []), *spaces(found, namespace)]


def spaces(found: Reach, namespace: str = "") -> Iterator[Condition]:
    """A condition for each namespace where private repositories are within reach."""
    for name, patterns in found.spaces.items():
        if namespace in ("", name):
            yield from _space(name, patterns) if patterns else [in_namespace(name)]


def _space(name: str, patterns: Sequence[Pattern]) -> Iterator[Condition]:
    """What the patterns name, once each."""
    texts = sorted({text for pattern in patterns if "*" not in pattern.text for text in _spellings(pattern.text)})
    exact = [_one_of(tuple(texts[first : first + MANY])) for first in range(0, len(texts), MANY)]
    wild = [_like(pattern) for pattern in patterns if "*" in pattern.text]
    if not wild:
        yield from exact
        return
    named = either([*wild, *exact])
    yield both(in_namespace(name), Condition(f"({named.sql})", named.parameters))


def _one_of(names: tuple[str, ...]) -> Condition:
    return Condition(f"repository_facts.name IN ({', '.join('?' * len(names))})", names)


def _spellings(name: str) -> list[str]:
    """The names that an exact pattern names: in library, app and library/app are both meant by either."""
    if namespace_of(name) != LIBRARY:
        return [name]
    short = name.removeprefix(f"{LIBRARY}/")
    return [short, f"{LIBRARY}/{short}"]


def _like(pattern: Pattern) -> Condition:
    """A pattern with wildcards, for names in its namespace.

    `%` may stand for several segments. So a pattern without ** says how many segments there are.
    """
    texts = [pattern.text]
    if pattern.namespace == LIBRARY:
        texts.append(pattern.text.removeprefix(f"{LIBRARY}/"))
    return either([_like_text(text) for text in texts])


def _like_text(text: str) -> Condition:
    like = escaped(text).replace("**", "%").replace("*", "%")
    if "**" in text:
        return Condition("repository_facts.name LIKE ? ESCAPE '|'", (like,))
    more = "/".join("%" * (text.count("/") + 2))
    return Condition("repository_facts.name LIKE ? ESCAPE '|' AND repository_facts.name NOT LIKE ?", (like, more))


def escaped(text: str) -> str:
    """The text as a part of a LIKE with ESCAPE '|'."""
    return text.replace("|", "||").replace("%", "|%").replace("_", "|_")


def like(text: str) -> str:
    """The pattern of a filter: * is anything; without one, the text is a part of what is found."""
    if "*" not in text:
        return f"%{escaped(text)}%"
    return "%".join(escaped(part) for part in text.split("*"))
