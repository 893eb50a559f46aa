"""Power cuts on ext4, and the counter-example: without fsync the same check must find loss."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.crew import Crew, a_while, after_fault, hire, settle, start_again
from tests.faults.disks import Ext4, need_disks
from tests.faults.journal import Journal
from tests.faults.report import Figures
from tests.support import tools
from tests.support.server import Registry

NO_SYNC = """
#include <sys/types.h>
int fsync(int fd) { return 0; }
int fdatasync(int fd) { return 0; }
int msync(void *address, size_t length, int flags) { return 0; }
int sync_file_range(int fd, off64_t offset, off64_t count, unsigned int flags) { return 0; }
"""
LAYOUTS = {"one file system": ("all",), "two file systems": ("blobs", "database")}


@pytest.fixture(autouse=True)
def disks_needed():
    need_disks()


def registry_on(disks: list[Ext4], **more) -> Registry:
    """Blobs on the first disk, the database on the last; they may be the same."""
    root = disks[0].where / "data"
    return Registry(root, workers=2, database_url=f"sqlite:{disks[-1].where}/registry.db", log_level="error", **more)


def power_cut(crew: Crew, disks: list[Ext4]) -> None:
    """Cut under load and mount again; what was acknowledged before the cut counts, nothing after."""
    registry = crew.registry
    with crew:
        a_while(0.3, 1.5)
        crew.journal.freeze()
        for disk in disks:
            disk.cut()
        registry.kill()
    for disk in disks:
        disk.unmount()
        disk.mount()
    crew.journal.thaw()
    crew.forget_errors()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_power_cut(tmp_path, layout, rounds, figures):
    with ExitStack() as stack:
        disks = [stack.enter_context(Ext4(tmp_path / name)) for name in LAYOUTS[layout]]
        registry = logged_elsewhere(registry_on(disks), tmp_path).start()
        stack.callback(registry.kill)
        crew = hire(registry, Journal(tmp_path / "journal"))
        for number in range(rounds(4, 300)):
            power_cut(crew, disks)
            violations = start_again(registry) + after_fault(crew, figures)
            assert violations == [], f"round {number}"
        assert settle(crew, figures) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_power_cut_without_fsync_is_noticed(tmp_path, layout):
    """Else the test above proves nothing: five cuts under a library that does not sync must show a loss."""
    preload = {"LD_PRELOAD": str(build(tmp_path))}
    with ExitStack() as stack:
        disks = [stack.enter_context(Ext4(tmp_path / name)) for name in LAYOUTS[layout]]
        registry = logged_elsewhere(registry_on(disks, environment=preload), tmp_path).start()
        stack.callback(registry.kill)
        assert any(loses(registry, disks, tmp_path / f"journal{number}") for number in range(5))


def loses(registry: Registry, disks: list[Ext4], journal: Path) -> bool:
    """Whether one round finds loss; a registry that does not even start, or starts in ruins, has lost."""
    crew = hire(registry, Journal(journal))
    power_cut(crew, disks)
    try:
        registry.start()
    except AssertionError:
        return True
    return after_fault(crew, Figures("counter-example")) != []


def build(directory: Path) -> Path:
    """Compile the library whose syncs do nothing."""
    tools.need("gcc")
    source, library = directory / "nosync.c", directory / "nosync.so"
    source.write_text("#define _GNU_SOURCE\n" + NO_SYNC)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def logged_elsewhere(registry: Registry, directory: Path) -> Registry:
    """The log must not sit on the disk that loses its power."""
    registry.log, registry.output = directory / "server.log", directory / "server.out"
    return registry
