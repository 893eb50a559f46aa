"""Samples of a run, their medians, and the table that compares them with the bars."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import time
from pathlib import Path

from tests.bench.bars import BARS, bars_of
from tests.bench.servers import LABELS


class Results:
    """Collects samples by work, figure and server, in the order in which they first come."""

    def __init__(self):
        self._machine = machine()
        self._samples: dict[tuple[str, str], dict[str, list[float]]] = {}
        self.notes: list[str] = []
        self.failures: list[str] = []

    def add(self, work: str, figure: str, server: str, value: float) -> None:
        self._samples.setdefault((work, figure), {}).setdefault(server, []).append(value)

    def note(self, text: str) -> None:
        """Something a reader of the figures must know; told once."""
        if text not in self.notes:
            self.notes.append(text)

    def document(self, options: dict) -> dict:
        """Everything as it goes to the JSON file."""
        return {
            "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "machine": self._machine,
            "options": options,
            "notes": self.notes,
            "failures": self.failures,
            "rows": [_row(*key, servers) for key, servers in self._samples.items()],
            "unmeasured": [
                f"{bar.work}, {bar.figure}: not measured" for bar in BARS if (bar.work, bar.figure) not in self._samples
            ],
        }


def _row(work: str, figure: str, servers: dict[str, list[float]]) -> dict:
    medians = {name: statistics.median(values) for name, values in servers.items()}
    verdicts = []
    for bar in bars_of(work, figure):
        value = bar.value(medians)
        if value is not None:
            verdicts.append({"bar": str(bar), "value": value, "ok": bar.holds(value)})
    summaries = {
        name: {"median": medians[name], "min": min(values), "max": max(values), "values": values}
        for name, values in servers.items()
    }
    return {"work": work, "figure": figure, "servers": summaries, "bars": verdicts}


def missed(document: dict) -> list[str]:
    """In words: every bar that does not hold, every measurement that failed, and in a run of everything the bars
    without a figure.
    """
    misses = [
        f"{row['work']}, {row['figure']}: {verdict['value']:.3g}, bar {verdict['bar']}"
        for row in document["rows"]
        for verdict in row["bars"]
        if not verdict["ok"]
    ]
    return misses + document["failures"] + ([] if document["options"]["only"] else document["unmeasured"])


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "CPU": _field("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "load before the run": f"{os.getloadavg()[0]:.1f}",
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


HEADINGS = ["work", "figure", *LABELS.values(), "ours / peer", "bar", ""]


def table(document: dict) -> list[list[str]]:
    """The headings and a row per figure, as text."""
    return [HEADINGS, *(_cells(row) for row in document["rows"])]


def _cells(row: dict) -> list[str]:
    servers = row["servers"]
    verdicts = row["bars"]
    ours = servers.get("ours")
    ratios = [
        number(ours["median"] / servers[name]["median"])
        for name in list(LABELS)[1:]
        if ours and servers.get(name, {}).get("median")
    ]
    return [
        row["work"],
        row["figure"],
        *(_cell(servers[name]) if name in servers else "" for name in LABELS),
        " ; ".join(ratios),
        ", ".join(verdict["bar"] for verdict in verdicts),
        verdicts and ("ok" if all(verdict["ok"] for verdict in verdicts) else "MISS") or "",
    ]


def _cell(summary: dict) -> str:
    """The median, and how far the samples lie around it."""
    middle = summary["median"]
    if len(summary["values"]) < 2 or not middle:
        return number(middle)
    return f"{number(middle)} ±{(summary['max'] - summary['min']) / 2 / middle:.0%}"


def number(value: float) -> str:
    """Three digits that count, thousands with commas."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def text_table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown_table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def save(document: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
