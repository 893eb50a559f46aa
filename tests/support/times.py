"""Says at the end of a run where the time went: how many tests each folder has, and how long they took.

With several processes side by side the sum is more than the run took.
"""

from __future__ import annotations

import pytest


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
