"""Names of repositories and tags that are nearly what somebody typed, found with little work."""

import difflib
from collections.abc import Iterable, Sequence

# Characters of a text for which names are suggested. Nobody mistypes a longer one.
LONGEST = 40
# Comparing two texts takes at least as many steps as their lengths multiplied. So many are taken in all.
_MOST_STEPS = 200_000
_MOST_SUGGESTED = 3
# How much of two tags is the same at least: v2 is near v1.
_NEAR_TAG = 0.5


def names(text: str, known: Sequence[str]) -> list[str]:
    """At most three of the known names, the nearest first. A name is near as a whole or by its last segment."""
    last = {name.rpartition("/")[2]: name for name in reversed(known)}
    compared = compared_with(text, dict.fromkeys([*known, *last]))
    near = difflib.get_close_matches(text, compared, _MOST_SUGGESTED)
    return list(dict.fromkeys(last.get(name, name) for name in near))


def tags(text: str, known: Sequence[str], most: int) -> list[str]:
    """At most so many of the known tags, the nearest first."""
    return difflib.get_close_matches(text, compared_with(text, dict.fromkeys(known)), most, _NEAR_TAG)


def compared_with(text: str, candidates: Iterable[str]) -> list[str]:
    """The first candidates that are not much longer than the text, as many as may be compared with it."""
    found, steps = [], 0
    for candidate in candidates:
        if 2 * len(candidate) > 3 * len(text):
            continue
        steps += len(text) * len(candidate)
        if steps > _MOST_STEPS:
            break
        found.append(candidate)
    return found
