"""Numbers and times as people read them."""

import pytest

from dockboard_registry.wording import counted, moment


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (0, ("problem",), "0 problems"),
        (1, ("problem",), "1 problem"),
        (2, ("problem",), "2 problems"),
        (1024, ("byte",), "1,024 bytes"),
        (2, ("repository", "repositories"), "2 repositories"),
    ],
)
def test_one_of_a_thing_is_no_plural(number, words, expected):
    assert counted(number, *words) == expected


def test_a_time_says_its_zone():
    assert moment(1795449600123) == "2026-11-23T16:00:00Z"
