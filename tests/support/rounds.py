"""How long tests try. Short rounds are part of every run; `tests/run --long` runs the long ones, which take hours."""

import os

LONG = os.environ.get("DOCKBOARD_TESTS_LONG") == "1"


def rounds(short: int, long: int) -> int:
    """How often to try in this run."""
    return long if LONG else short
