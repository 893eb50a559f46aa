"""The figures for docs/reliability.md: one JSON line a test."""

import json
import os
import time


class Figures:
    """What one test tried; `save` appends it to the file named by DOCKBOARD_TESTS_REPORT."""

    def __init__(self, name: str):
        self.name = name
        self.counts: dict[str, float] = {}
        self._started = time.monotonic()

    def add(self, **counts: float) -> None:
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def most(self, **values: float) -> None:
        """Keep the largest value seen under each name."""
        for name, value in values.items():
            self.counts[name] = max(self.counts.get(name, value), value)

    def save(self, passed: bool) -> None:
        path = os.environ.get("DOCKBOARD_TESTS_REPORT")
        if path:
            line = {
                "test": self.name,
                "passed": passed,
                "seconds": round(time.monotonic() - self._started),
                **self.counts,
            }
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
