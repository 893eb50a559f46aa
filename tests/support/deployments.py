"""The ways to run a registry that one and the same test is tried with.

The rule, for tests of the protocol, of security and of clients:

- A test that asks for `registry`, `client` or `deploy` (tests/conftest.py) is about what any registry does. It runs
  over
  **sqlite**, one server with two workers, and over **mysql-2-nodes**, two servers on one database and one directory
  behind nginx, which gives each request to the other server than the one before.
- Marked `direct` it is about what one server does on its own sockets, with its own process or with its own settings for
  them, which
  nginx would do itself, change or hide: **sqlite**, and **mysql**, one server without nginx.
- Marked `ways` it is the same about how requests come and answers go: **sqlite** and **mysql**, and **ordinary**,
  SQLite without the short ways.
- Marked `edge` it ends before any database is asked, or brings its own nginx: **sqlite** only.
- A test that makes a `Registry` itself runs over that one only: what is the same code and the same bytes with any
  database (TLS, reading
  the configuration), and what is about several nodes anyway (test_nodes.py).

The mark nearest to the test counts. `deploy(root, **settings)` makes a registry of the test's kind, not started yet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from tests.support.cluster import Cluster
from tests.support.server import Registry

MAKERS: dict[str, Callable[..., Registry | Cluster]] = {
    "sqlite": Registry,
    "mysql": functools.partial(Registry, database="mysql"),
    "mysql-2-nodes": Cluster,
    "ordinary": functools.partial(Registry, server_fast_paths="false"),
}
EVERYWHERE = ("sqlite", "mysql-2-nodes")
MARKED = {"direct": ("sqlite", "mysql"), "ways": ("sqlite", "mysql", "ordinary"), "edge": ("sqlite",)}


def kinds(item: pytest.Item) -> tuple[str, ...]:
    """The names of the deployments that a test is for."""
    found = next((mark.name for mark in item.iter_markers() if mark.name in MARKED), None)
    return MARKED[found] if found else EVERYWHERE
