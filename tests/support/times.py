"""Says at the end of a run where the time went: how many tests each folder has, and how long they took.

With several processes side by side the sum is more than the run took.
"""

from __future__ import annotations

import pytest

LONGEST = (
    "tests/browser/test_pages.py",
    "tests/contract/domain/test_galera.py",
    "tests/faults/test_mysql_server.py",
    "tests/faults/test_history.py",
    "tests/process/test_data_directory.py",
    "tests/security/test_pages.py",
    "tests/faults/test_galera.py",
    "tests/faults/test_full_disk_left.py",
    "tests/protocol/test_api_document.py",
    "tests/protocol/test_logins.py",
    "tests/contract/test_mysql.py",
    "tests/browser/test_stories.py",
)
"""The files that take longest. Processes side by side begin with them, so that what is left for the end is short."""


def longest_first(items: list[pytest.Item]) -> None:
    """Put the tests of these files first; the others stay in the order in which they were asked for."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


class Times:
    """A plugin of pytest. Of several processes, the one that gathers the others' reports has it."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._tests: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder = "/".join(report.nodeid.split("/")[:2])
        self._seconds[folder] = self._seconds.get(folder, 0) + report.duration
        self._tests[folder] = self._tests.get(folder, 0) + (report.when == "setup")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._seconds:
            terminalreporter.section("where the time went")
        for folder, seconds in sorted(self._seconds.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{seconds:7.0f} s  {self._tests[folder]:5} tests  {folder}")
