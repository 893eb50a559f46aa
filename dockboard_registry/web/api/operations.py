"""Operations of the API. Each is declared once, and routed, checked and described by that."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from ...domain.access.rule import Principal
from ...domain.audit import Actor
from ...durations import DURATION_GRAMMAR
from ...http.messages import Request
from ...names import (
    ACCOUNT_GRAMMAR,
    DIGEST_GRAMMAR,
    LONGEST_ACCOUNT,
    NAME_LIMIT,
    REPOSITORY_GRAMMAR,
    SHORTEST_ACCOUNT,
    TAG_GRAMMAR,
)
from ..auth.asker import Asker
from ..auth.permissions import Permission
from .kinds import Kind, ListOf, Record, Secret, Text, Whole

PREFIX = "/api/v1"
JSON = "application/json"
MOST_BODY = 64 << 10

NAME = Text(
    "a name: lower-case letters and digits, with single . _ - between them",
    False,
    LONGEST_ACCOUNT,
    SHORTEST_ACCOUNT,
    ACCOUNT_GRAMMAR,
)
REPOSITORY = Text("the name of a repository", False, NAME_LIMIT, 1, REPOSITORY_GRAMMAR)
PATTERN = Text(
    "the name of a repository, or a pattern such as acme/app-* or acme/**",
    False,
    NAME_LIMIT,
    1,
    r"[a-z0-9._*-]+(?:/[a-z0-9._*-]+)*",
)
HOLDER = Text(
    "who holds a right: user:NAME, team:ORG/TEAM or robot:ORG/NAME",
    *(False, 160, 7, f"user:{ACCOUNT_GRAMMAR}|(?:team|robot):{ACCOUNT_GRAMMAR}/{ACCOUNT_GRAMMAR}"),
)
DURATION = Text(
    "how long from now: a whole number and s, m, h, d or w, such as 90d", False, 7, 2, DURATION_GRAMMAR, "90d"
)
SESSION = Text("id of a session: a number, as a text", False, 19, 1, "[0-9]{1,19}")
MOMENT = Whole("milliseconds since 1970")
# The names in braces in paths. A name of a repository and a pattern are one segment each, with %2F for slashes.
PATH: Mapping[str, Text] = {
    **dict.fromkeys(("user", "organization", "team", "robot", "token", "namespace", "job"), NAME),
    "tag": Text("a tag", False, 128, 1, TAG_GRAMMAR),
    "digest": Text("the digest of a manifest", False, 135, 71, DIGEST_GRAMMAR),
    "upload": Text("id of an upload", False, 32, 32, "[0-9a-f]{32}"),
    "session": SESSION,
    "invitation": Text("id of an invitation", False, 19, 1, "[0-9]{1,19}"),
    "comment": Text("id of a comment", False, 19, 1, "[0-9]{1,19}"),
    "repository": REPOSITORY,
    "pattern": PATTERN,
    "holder": HOLDER,
}
PAGE: Mapping[str, Kind] = {
    "after": Text("only items whose key is greater than this one: the key of the last item that was seen", False, 600),
    "limit": Whole("at most so many items", False, 1, 100, 50),
}


class Call:
    """One request on its way to the domain: who asks, and what was sent, checked by the declaration."""

    def __init__(self, asker: Asker, request: Request, operation: "Operation", path: Mapping[str, str]):
        self.asker, self.request, self.operation = asker, request, operation
        self.path, self.query, self.body = path, {}, {}

    @property
    def services(self) -> Any:
        return self.asker.services

    @property
    def people(self) -> Any:
        return self.asker.people

    @property
    def principal(self) -> Principal:
        return self.asker.principal

    @property
    def actor(self) -> Actor:
        return self.asker.actor


class Answer(NamedTuple):
    """status, and a document that is written as JSON, or bytes of the operation's media type. None: no body."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = {}


class Operation(NamedTuple):
    """path: below PREFIX, with names of PATH in braces.

    answer: the kind of what status 200 or 201 brings. must: what of the query has to be there.

    Which answers there may be besides those that follow from the rest: conflicts 409, refuses 422, unknown 404, and
    `others`.
    whole: no token that is for less than its owner may is enough. That goes without saying where the answer has a
    secret: it would outlive the token, and may do more.
    longest: bytes that the body of the request may have.
    """

    method: str
    path: str
    id: str
    summary: str
    permission: Permission
    work: Callable[[Call], Awaitable[Answer]]
    status: int = 200
    answer: Kind | None = None
    body: Record | None = None
    query: Mapping[str, Kind] = {}
    must: tuple[str, ...] = ()
    conflicts: bool = False
    refuses: bool = False
    unknown: bool = False
    whole: bool = False
    others: tuple[int, ...] = ()
    media: str = JSON
    longest: int = MOST_BODY

    @property
    def group(self) -> str:
        return self.path.split("/")[1]

    @property
    def needs_whole(self) -> bool:
        return self.whole or (
            isinstance(self.answer, Record) and any(isinstance(field, Secret) for field in self.answer.fields.values())
        )

    @property
    def segments(self) -> list[str]:
        return self.path.split("/")[1:]

    @property
    def names(self) -> list[str]:
        """The names in its path."""
        return [segment[1:-1] for segment in self.segments if segment.startswith("{")]


def created(content: Any, *segments: str) -> Answer:
    """201 with the place of what was made."""
    return Answer(201, content, {"Location": place(*segments)})


def place(*segments: str) -> str:
    """The path of something in the API."""
    return "/".join([PREFIX, *(quote(segment, safe="") for segment in segments)])


def paged(kind: Record) -> Record:
    """The kind of one page of a list."""
    fields = {
        "items": ListOf("", False, kind),
        "next": Text("path and query of the next page, where there is one", False, 8000),
    }
    return Record("a page of a list", False, f"{kind.name}Page", fields, ("next",))
