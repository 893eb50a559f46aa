"""Fixtures of the fault tests. DOCKBOARD_TESTS_LONG=1 asks for the long rounds: hours instead of minutes."""

from pathlib import Path

import pytest

from tests.faults.report import LONG, Figures


def pytest_collection_modifyitems(items):
    """Long rounds take as long as they take."""
    for item in items:
        if LONG and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(6 * 3600))


@pytest.fixture(scope="session")
def rounds():
    """`rounds(short, long)` is how often to try, by the flag."""
    return lambda short, long: long if LONG else short


@pytest.fixture
def figures(request):
    """Counts of this test (rounds, acknowledged operations), appended to DOCKBOARD_TESTS_REPORT where that is set."""
    counts, failed = Figures(request.node.name), request.session.testsfailed
    yield counts
    counts.save(passed=request.session.testsfailed == failed)
