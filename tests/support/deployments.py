"""The kinds of registries that one and the same test runs over.

The rule, for tests of the protocol, of security and of clients:

- A test that asks for `registry`, `client` or `deploy` (tests/conftest.py) is about what any registry does. It runs
  over **sqlite**: one server with two workers.
- Marked `database` it is about what the database decides or keeps. It also runs over **mysql-2-nodes**: two servers on
  one database and one directory behind nginx, which gives each request to the other server than the one before.
- Marked `direct` it is about what one server does on its own sockets, with its own process or with its own settings.
  nginx would do that itself, change it or hide it. So instead of two nodes it gets **mysql**: one server without nginx.
- Marked `ways` it is like `direct`, about how requests come and answers go. It also runs over **ordinary**: SQLite
  without the short ways.
- Marked `edge` it ends before any database is asked, or brings its own nginx: **sqlite** only.
- A test that makes a `Registry` itself runs over that one only.

`tests/run --long` takes every test for one about the database, except those marked `edge`. Of `direct`, `ways` and
`edge` the mark nearest to the test counts. `deploy(root, **settings)` makes a registry of the test's kind, not started
yet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from tests.support.cluster import Cluster
from tests.support.rounds import LONG
from tests.support.server import Registry

MAKERS: dict[str, Callable[..., Registry | Cluster]] = {
    "sqlite": Registry,
    "mysql": functools.partial(Registry, database="mysql"),
    "mysql-2-nodes": Cluster,
    "ordinary": functools.partial(Registry, server_fast_paths="false"),
}
_MARKED = {"direct": ("sqlite", "mysql"), "ways": ("sqlite", "ordinary", "mysql"), "edge": ("sqlite",)}
_UNMARKED = ("sqlite", "mysql-2-nodes")


def kinds(item: pytest.Item) -> tuple[str, ...]:
    """The names of the deployments that a test is for."""
    found = next((_MARKED[mark.name] for mark in item.iter_markers() if mark.name in _MARKED), _UNMARKED)
    every = LONG or item.get_closest_marker("database") is not None
    return found if every else tuple(kind for kind in found if not kind.startswith("mysql"))
