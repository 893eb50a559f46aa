"""Patterns of repository names: what they match, against a slow reading of the same
rules, and that no name takes long.
"""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockboard_registry.domain.access import patterns
from dockboard_registry.errors import FieldInvalid


def matches(pattern: str, name: str) -> bool:
    return bool(patterns.parse(pattern).matches(patterns.full(name)))


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("team/app", ["team/app"], ["team/apps", "team/app/x", "team", "teamsapp", "other/app"]),
        ("team/app-*", ["team/app-1", "team/app-web-2"], ["team/app", "team/app-1/x", "team/xapp-1", "teams/app-1"]),
        ("team/*", ["team/a", "team/app-1"], ["team/a/b", "team", "teams/a"]),
        ("team/*/*", ["team/a/b"], ["team/a", "team/a/b/c"]),
        ("team/**", ["team/a", "team/a/b/c"], ["team", "teams/a", "other/team/a"]),
        ("team/**/cache", ["team/a/cache", "team/a/b/cache"], ["team/cache", "team/a/cache/x"]),
        ("team/a*b*c", ["team/abc", "team/aXbXbXc", "team/abbcc"], ["team/ab", "team/acb", "team/abc/d"]),
        ("team/a.c", ["team/a.c"], ["team/abc"]),
        ("app", ["app", "library/app"], ["apps", "library/apps", "team/app"]),
        ("library/app-*", ["app-1", "library/app-1"], ["app", "team/app-1"]),
    ],
)
def test_what_a_pattern_names(pattern, names, others):
    assert [name for name in names if not matches(pattern, name)] == []
    assert [name for name in others if matches(pattern, name)] == []


@pytest.mark.parametrize(
    "text", ["", "*", "**", "app-*", "*/app", "t*m/app", "team/", "/app", "team//app", "team/a**", "team/**/x/**",
    "Team/app", "team/App*", "team/é*",
             "team/app\n", "team/*\n", "team/a b*", "team/" + "a" * 300, "team/" + "a*" * 20, "team/[ab]*", "team/app?"]
)  # fmt: skip
def test_what_is_no_pattern(text):
    with pytest.raises(FieldInvalid):
        patterns.parse(text)


def slow(pattern: list[str], name: list[str]) -> bool:
    """Segments of a pattern against those of a name, by trying everything."""
    if not pattern or not name:
        return not pattern and not name
    first, *rest = pattern
    if first == "**":
        return any(slow(rest, name[taken:]) for taken in range(1, len(name) + 1))
    return slow_segment(first, name[0]) and slow(rest, name[1:])


def slow_segment(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(slow_segment(pattern[1:], text[taken:]) for taken in range(len(text) + 1))
    return text[:1] == pattern[0] and slow_segment(pattern[1:], text[1:])


segments = st.lists(st.text("ab", min_size=1, max_size=6), min_size=1, max_size=4)
globs = st.lists(st.text("ab*", min_size=1, max_size=5).filter(lambda text: "**" not in text), min_size=1, max_size=3)


@given(globs, st.none() | st.integers(0, 3), segments)
def test_a_pattern_is_what_the_slow_reading_says(pattern, at, name):
    pattern = [*pattern[:at], "**", *pattern[at:]] if at is not None else pattern
    expected = slow(["t", *pattern], ["t", *name])
    assert matches("/".join(["t", *pattern]), "/".join(["t", *name])) == expected


def test_no_name_takes_long():
    text, name = "t/**/" + "a*" * 14 + "b", "t/" + "/".join(["a" * 60] * 4)
    assert patterns.parse(text).matches(name) is None
    begun = time.perf_counter()
    for _ in range(100):
        patterns.parse(text).matches(name)
    assert time.perf_counter() - begun < 5
