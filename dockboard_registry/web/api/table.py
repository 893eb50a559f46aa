"""The table of all operations, and the tree of paths that requests are found in."""

import functools
from typing import Self

from . import document
from .resources import account, content, grants, organizations, oversight, quotas, registration, repositories, robots, teams, uploads, users
from .operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *document.OPERATIONS,
    *account.OPERATIONS,
    *users.OPERATIONS,
    *registration.OPERATIONS,
    *organizations.OPERATIONS,
    *teams.OPERATIONS,
    *robots.OPERATIONS,
    *repositories.OPERATIONS,
    *content.OPERATIONS,
    *quotas.OPERATIONS,
    *grants.OPERATIONS,
    *uploads.OPERATIONS,
    *oversight.OPERATIONS,
)


class Node:
    """A place in the tree. fixed: what follows by its word; named: what follows any name, which is called `name` and comes second."""

    def __init__(self) -> None:
        self.methods: dict[str, Operation] = {}
        self.fixed: dict[str, Node] = {}
        self.named: Node | None = None
        self.name = ""

    def below(self, segment: str) -> Self:
        """The node behind a segment of a declared path."""
        if not segment.startswith("{"):
            return self.fixed.setdefault(segment, Node())
        if self.named is None:
            self.named, self.name = Node(), segment[1:-1]
        return self.named


@functools.cache
def tree() -> Node:
    root = Node()
    for operation in OPERATIONS:
        node = root
        for segment in operation.segments:
            node = node.below(segment)
        node.methods[operation.method] = operation
    return root
