"""How well the name of a repository fits a part of a name that somebody typed.

The best is the name itself. Then come names whose last segment begins with the part, names with another segment that
does, and all others that have it.
"""

from collections.abc import Iterator

from .conditions import Condition, escaped


def rank(name: str, part: str) -> int:
    """0 for the best. The name has the part."""
    if name == part:
        return 0
    begins = name.startswith(part)
    _, inside, rest = name.partition(f"/{part}")
    if inside and "/" not in rest or begins and "/" not in name:
        return 1
    return 2 if inside or begins else 3


def best(part: str) -> Iterator[Condition]:
    """The names of ranks 0, 1 and 2, as conditions in this order. A name may fulfil the next ones too."""
    begins, inside = f"{escaped(part)}%", f"%/{escaped(part)}%"
    yield Condition("repository_facts.name = ?", (part,))
    yield Condition(
        "(repository_facts.name LIKE ? ESCAPE '|' AND repository_facts.name NOT LIKE '%/%' OR repository_facts.name"
        " LIKE ? ESCAPE '|' AND repository_facts.name NOT LIKE ? ESCAPE '|')",
        (begins, inside, f"{inside}/%"),
    )
    yield Condition(
        "(repository_facts.name LIKE ? ESCAPE '|' OR repository_facts.name LIKE ? ESCAPE '|')", (begins, inside)
    )


def part(text: str) -> Condition:
    """The names that have the text in them."""
    return Condition("repository_facts.name LIKE ? ESCAPE '|'", (f"%{escaped(text)}%",))
