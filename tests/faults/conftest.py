"""Fixtures of the fault tests."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.faults.report import Figures
from tests.support import rounds as length


class Directories:
    """Makes directories on the system's disk, as pytest's tmp_path_factory does in memory."""

    def __init__(self, root: Path):
        self._root = root
        self._made = 0

    def mktemp(self, name: str) -> Path:
        self._made += 1
        made = self._root / f"{re.sub(r'[^A-Za-z0-9]+', '_', name)[:30]}{self._made}"
        made.mkdir()
        return made


@pytest.fixture(scope="session")
def tmp_path_factory(request):
    """On a disk, because these tests are about syncs, full disks and power cuts."""
    root = Path(tempfile.mkdtemp(prefix="dockboard-faults-"))
    yield Directories(root)
    if not request.session.testsfailed:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def tmp_path(tmp_path_factory, request):
    """On a disk. What a failed test leaves behind stays."""
    made, failed = tmp_path_factory.mktemp(request.node.name), request.session.testsfailed
    yield made
    if request.session.testsfailed == failed:
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def rounds():
    """`rounds(short, long)` is how often to try in this run."""
    return length.rounds


@pytest.fixture
def figures(request):
    """Counts of this test (rounds, acknowledged operations), appended to DOCKBOARD_TESTS_REPORT where that is set."""
    counts, failed = Figures(request.node.name), request.session.testsfailed
    yield counts
    counts.save(passed=request.session.testsfailed == failed)
