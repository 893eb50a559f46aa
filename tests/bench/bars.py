"""How good it has to be.

A bar compares the median of one figure of ours with a number or with a multiple of a peer's median.
"""

from __future__ import annotations

import operator
from typing import NamedTuple

RELATIONS = {"<=": operator.le, ">=": operator.ge}


class Bar(NamedTuple):
    """`relation` is "<=" or ">=".

    With a peer, `limit` is the allowed ratio ours / peer; without, it is in the figure's own unit.
    """

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


LARGE = "blob GET, 500 MiB"
PUT = "blob PUT, 500 MiB"
TLS = ("TLS: blob PUT, 500 MiB", "TLS: blob PUT, 500 MiB, chunked encoding", "TLS: blob GET, 500 MiB")
UPLOADS = ("one PUT", "parts of 64 MiB", "one PATCH, chunked encoding")
GROWTH = ("manifest by tag", "tag page, first", "tag page, middle", "catalog page, first", "catalog page, middle")
CROWD = "1,000 slow uploads and 1,000 slow downloads"
ATTACKS = tuple(
    f"attack: {what}"
    for what in (
        "16 clients push indexes of 10,000 unknown manifests",
        "16 clients push indexes of 5,000 manifests",
        "100 clients do not read answers of 4 MiB",
        "16 clients list 1,000 tags",
    )
)
# Milliseconds of the server's CPU for a page.
PAGES = {
    "explore": 5,
    "repository": 3,
    "repository, ten layers": 3,
    "tags": 5,
    "tags by size": 5,
    "tags, ten layers": 5,
    "tag": 4,
    "tag, ten layers": 4,
    "search": 10,
}
STARTS = ("start", "start with much data")
# Two workers with all pools of 24 threads in all, and the supervisor.
MOST_THREADS = 49

BARS = [
    Bar("manifest GET by tag", "CPU us/request", "<=", 0.2, "distribution"),
    Bar("blob GET, 2 KiB", "CPU us/request", "<=", 0.04, "distribution"),
    Bar(LARGE, "MB/s", ">=", 2.2, "distribution"),
    Bar(LARGE, "MB/s", ">=", 1, "nginx"),
    Bar(LARGE, "CPU s", "<=", 0.45, "distribution"),
    Bar(f"{LARGE}, 8 at once", "MB/s", ">=", 2.5, "distribution"),
    Bar(f"{LARGE}, 8 at once", "MB/s", ">=", 1, "nginx"),
    Bar(f"{LARGE}, 8 at once", "CPU s", "<=", 0.35, "distribution"),
    Bar(PUT, "MB/s", ">=", 2.2, "distribution"),
    Bar(PUT, "CPU s", "<=", 0.6, "distribution"),
    Bar(f"{PUT}, chunked encoding", "MB/s", ">=", 1.5, "distribution"),
    Bar(f"{PUT}, chunked encoding", "CPU s", "<=", 0.8, "distribution"),
    Bar(f"{PUT}, on disk", "CPU s", "<=", 0.8, "distribution"),
    *(Bar(work, "MB/s", ">=", 1, "distribution") for work in TLS),
    Bar("image push, 3 x 20 kB", "ms", "<=", 0.28, "distribution"),
    Bar("idle", "PSS MiB", "<=", 50),
    *(Bar(f"large upload: {form}", "added MiB", "<=", 64) for form in UPLOADS),
    Bar("1,000 pulls at once", "errors", "<=", 0),
    Bar(CROWD, "threads", "<=", MOST_THREADS),
    Bar(CROWD, "KiB per connection", "<=", 16),
    Bar(CROWD, "p99 ratio", "<=", 2),
    *(Bar(attack, "p99 ratio", "<=", 2) for attack in ATTACKS),
    *(Bar(f"growth: {page}", "ratio", "<=", 2) for page in GROWTH),
    *(Bar(start, figure, "<=", 0.5) for start in STARTS for figure in ("s to /healthz", "s to a manifest")),
    Bar("accounts: manifest GET by tag, Bearer token", "ratio", "<=", 1.25),
    *(Bar(f"page: {page}", "CPU ms/request", "<=", limit) for page, limit in PAGES.items()),
    *(Bar(f"page: {page}", "ratio", "<=", 2) for page in PAGES),
    *(Bar(f"page: {page}", "KiB compressed", "<=", 30) for page in PAGES),
    Bar("page: style sheet", "KiB compressed", "<=", 20),
    Bar("MySQL: manifest GET by tag", "ratio", "<=", 2),
    Bar("MySQL: image push, 8 at once", "p99 ratio", "<=", 2),
    *(Bar(f"MySQL growth: {page}", "ratio", "<=", 2) for page in GROWTH[:3]),
    Bar("objects: blob PUT, 500 MiB", "MB/s", ">=", 1, "distribution"),
    Bar("objects: blob PUT, 500 MiB", "CPU s", "<=", 0.8, "distribution"),
    Bar("objects: blob GET, 500 MiB, through the registry", "MB/s", ">=", 1, "distribution"),
    Bar("objects: 200 pulls of 20 MiB at once, through the registry", "errors", "<=", 0),
    Bar("objects: image push, 3 x 20 kB", "ms", "<=", 0.3, "distribution"),
    Bar("objects: redirected pull", "ratio", "<=", 1.2),
    Bar("objects: a very large push", "added MiB", "<=", 64),
]


def bars_of(work: str, figure: str) -> list[Bar]:
    return [bar for bar in BARS if (bar.work, bar.figure) == (work, figure)]
