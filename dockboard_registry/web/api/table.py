"""The table of all operations, and the tree of their paths."""

import functools
import json
from typing import Self

from ..auth.permissions import EVERYONE
from . import document
from .kinds import Anything
from .operations import Answer, Call, Operation
from .resources import (
    account,
    content,
    grants,
    operation,
    organizations,
    oversight,
    quotas,
    registration,
    repositories,
    robots,
    search,
    sessions,
    social,
    teams,
    uploads,
    users,
)
from .resources.images import comparison, manifests, tags, untagged


async def _openapi(call: Call) -> Answer:
    return Answer(200, _document())


@functools.cache
def _document() -> bytes:
    return json.dumps(document.made(OPERATIONS)).encode()


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/openapi.json",
        "getOpenApi",
        "This document",
        EVERYONE,
        _openapi,
        answer=Anything("an OpenAPI document"),
    ),
    *account.OPERATIONS,
    *sessions.OPERATIONS,
    *users.OPERATIONS,
    *registration.OPERATIONS,
    *organizations.OPERATIONS,
    *teams.OPERATIONS,
    *robots.OPERATIONS,
    *repositories.OPERATIONS,
    *search.OPERATIONS,
    *content.OPERATIONS,
    *tags.OPERATIONS,
    *manifests.OPERATIONS,
    *untagged.OPERATIONS,
    *comparison.OPERATIONS,
    *social.OPERATIONS,
    *quotas.OPERATIONS,
    *grants.OPERATIONS,
    *uploads.OPERATIONS,
    *oversight.OPERATIONS,
    *operation.OPERATIONS,
)


class Node:
    """A place in the tree.

    fixed: what follows a given word. named: what follows any other segment, which gets the name `name`.
    """

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
    for each in OPERATIONS:
        node = root
        for segment in each.segments:
            node = node.below(segment)
        node.methods[each.method] = each
    return root
