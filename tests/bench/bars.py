"""How good it has to be. A bar compares the median of one figure of ours with a number or with a multiple of a peer's median."""

from __future__ import annotations

import operator
from typing import NamedTuple

RELATIONS = {"<=": operator.le, ">=": operator.ge}


class Bar(NamedTuple):
    """`relation` is "<=" or ">=". With a peer, `limit` is the allowed ratio ours / peer; without, it is in the figure's own unit."""

    work: str
    figure: str
    relation: str
    limit: float
    peer: str = ""

    def value(self, medians: dict[str, float]) -> float | None:
        """What is compared with the limit, or None when a server was not measured."""
        if "ours" not in medians or (self.peer and self.peer not in medians):
            return None
        if not self.peer:
            return medians["ours"]
        return medians["ours"] / medians[self.peer] if medians[self.peer] else None

    def holds(self, value: float) -> bool:
        return RELATIONS[self.relation](value, self.limit)

    def __str__(self) -> str:
        against = f" x {self.peer}" if self.peer else ""
        return f"{self.relation} {self.limit:g}{against}"


# A client's one streamed PATCH may have a Content-Length or be chunked (docker): both count.
PUTS = ("blob PUT, 500 MiB", "blob PUT, 500 MiB, chunked encoding")
UPLOADS = ("one PUT", "parts of 64 MiB", "one PATCH, chunked encoding")
GROWTH = ("manifest by tag", "tag page, first", "tag page, middle", "catalog page, first", "catalog page, middle")

BARS = [
    Bar("manifest GET by tag", "CPU us/request", "<=", 1.0, "distribution"),
    Bar("manifest GET by tag", "CPU us/request", "<=", 0.25, "debian"),
    Bar("blob GET, 2 KiB", "CPU us/request", "<=", 0.3, "distribution"),
    Bar("blob GET, 500 MiB", "MB/s", ">=", 1.5, "distribution"),
    Bar("blob GET, 500 MiB", "CPU s", "<=", 0.6, "distribution"),
    *(Bar(put, "MB/s", ">=", 1.5, "distribution") for put in PUTS),
    *(Bar(put, "CPU s", "<=", 0.8, "distribution") for put in (*PUTS, "blob PUT, 500 MiB, on disk")),
    Bar("image push, 3 x 20 kB", "ms", "<=", 0.4, "distribution"),
    Bar("idle", "PSS MiB", "<=", 56),
    *(Bar(f"large upload: {form}", "added MiB", "<=", 64) for form in UPLOADS),
    Bar("1,000 pulls at once", "errors", "<=", 0),
    *(Bar(f"growth: {page}", "ratio", "<=", 2) for page in GROWTH),
    Bar("MySQL: manifest GET by tag", "ratio", "<=", 2),
    Bar("MySQL: image push, 8 at once", "p99 ratio", "<=", 2),
    *(Bar(f"MySQL growth: {page}", "ratio", "<=", 2) for page in GROWTH[:3]),
    Bar("start with much data", "s to /healthz", "<=", 1),
    Bar("start with much data", "s to a manifest", "<=", 1),
]


def bars_of(work: str, figure: str) -> list[Bar]:
    return [bar for bar in BARS if (bar.work, bar.figure) == (work, figure)]
