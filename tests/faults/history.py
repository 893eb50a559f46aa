"""What clients asked at the same time and what they heard, and whether a registry that keeps its word could have
answered so.

The tags and manifests of a repository are one object: there must be one order of all its operations, each somewhere
between question and answer, that explains every answer. So is an upload session. For blobs it is a list of promises,
since collecting garbage is nobody's question.
"""

import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from tests.faults.linearizable import Search
from tests.faults.verifier import Violation
from tests.support.http import digest_of

EXPECTED = {
    "put": (201, 400),
    "untag": (202, 404),
    "delete": (202, 404),
    "get": (200, 404),
    "list": (200, 404),
    "push": (201,),
    "mount": (201, 202),
    "head": (200, 404),
    "pull": (200, 404),
    "drop": (202, 404, 409),
    "append": (202, 404, 416),
    "ask": (204, 404),
    "end": (201, 404, 416),
    "cancel": (204, 404, 416),
}
"""The kinds of operations, and the answers that they may get without any fault."""
CHANGING = {"put", "untag", "delete", "append", "end", "cancel"}
IN_REPOSITORY = {"put", "untag", "delete", "get", "list"}
IN_SESSION = {"append", "ask", "end", "cancel"}


@dataclass(eq=False)
class Operation:
    """One request. Times are nanoseconds of the monotonic clock; `status` is 0 while there is no answer.

    `name` is the tag or digest asked for, of a mount the blob's, of "put" the manifest's, of "end" the digest that it
    gives.
    """

    kind: str
    repository: str
    name: str = ""
    tags: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    source: str = ""
    session: str = ""
    start: int = 0
    chunk: bytes = b""
    invoked: int = 0
    answered: int | None = None
    status: int = 0
    seen: object = None
    # The digest that a tag names, the tags of a list, the missing blobs of a refused manifest, an upload's size, a
    # blob's digest.

    @property
    def changes(self) -> bool:
        return self.kind in CHANGING and self.status in (0, 201, 202, 204)

    @property
    def until(self) -> float:
        """The last moment at which it can have had its effect."""
        return float("inf") if self.answered is None else self.answered

    def __str__(self) -> str:
        about = [
            self.kind,
            self.repository,
            self.session[:8],
            self.name[:19],
            *self.tags,
            *(part[:15] for part in self.parts),
        ]
        times = f"{self.invoked / 1e9:.6f} to {self.until / 1e9:.6f}"
        return f"{times}: {' '.join(filter(None, about))} -> {self.status} {str(self.seen or '')[:200]}"


@dataclass
class History:
    """All operations of all clients, each with its own thread. `lease` is the registry's, in seconds."""

    lease: float = 0
    operations: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def operation(self, kind: str, repository: str, name: str = "", **given):
        """Wrap exactly one request; who leaves normally has set `status`. An exception means that no answer came."""
        operation = Operation(kind, repository, name, **given)
        with self._lock:
            self.operations.append(operation)
        operation.invoked = time.monotonic_ns()
        yield operation
        operation.answered = time.monotonic_ns()

    def violations(self, faults: bool = False) -> list[Violation]:
        """Everything that no registry that keeps its word could have answered.

        faults: it may have been unable to answer at all.
        """
        allowed = (0,) if faults else ()
        found = [
            Violation("I8", op.repository, str(op))
            for op in self.operations
            if op.status not in (*allowed, *EXPECTED[op.kind])
        ]
        found += self._out_of_order(IN_REPOSITORY, lambda op: op.repository, Repository(), Repository.after)
        found += self._out_of_order(IN_SESSION, lambda op: op.session, Session(), Session.after)
        for blob, story in sorted(self._blobs().items()):
            found += [Violation(invariant, f"{blob[0]}@{blob[1]}", text) for invariant, text in story.violations()]
        return found

    def _out_of_order(self, kinds, key, start, step) -> list[Violation]:
        objects = defaultdict(list)
        for operation in self.operations:
            if (
                operation.kind in kinds
                and operation.status in (0, *EXPECTED[operation.kind])
                and operation.status not in (400, 416)
            ):
                objects[key(operation)].append(operation)
        if kinds is IN_REPOSITORY:
            objects = {name: _without_needless(operations) for name, operations in objects.items()}
        found = []
        for name, operations in objects.items():
            impossible = Search(operations, start, step).first_impossible()
            if impossible is not None:
                found.append(
                    Violation("I2", name, f"no order explains\n{impossible}\nafter\n{_before(impossible, operations)}")
                )
        return found

    def _blobs(self) -> dict[tuple[str, str], "Blob"]:
        """What was heard of each blob of each repository."""
        blobs: dict[tuple[str, str], Blob] = defaultdict(lambda: Blob(self.lease))
        bodies = {op.name: op.parts for op in self.operations if op.kind == "put"}
        for op in self.operations:
            if op.kind in ("push", "end", "head", "pull", "drop"):
                blobs[op.repository, op.name].note(op)
            elif op.kind == "mount":
                blobs[op.repository, op.name].note(op)
                blobs[op.source, op.name].note_source(op)
            elif op.kind in ("put", "delete"):
                for part in bodies.get(op.name, ()):
                    blobs[op.repository, part].note_manifest(op, part)
        return blobs


def _without_needless(operations: list[Operation]) -> list[Operation]:
    """Without pushes that got no answer and whose manifest nobody saw: where nothing is deleted or listed, none of them
    explains anything, and each would double the places to search.
    """
    if any(op.kind in ("untag", "delete", "list") for op in operations):
        return operations
    seen = {op.seen for op in operations if op.kind == "get"}
    return [op for op in operations if op.status or op.kind != "put" or op.name in seen]


def _before(operation: Operation, among: Iterable[Operation], count: int = 25) -> str:
    near = [op for op in among if op.invoked < operation.until]
    return "\n".join(map(str, sorted(near, key=lambda op: op.until)[-count:]))


class Repository(NamedTuple):
    """Tags with the digests they name, and the manifests that are there."""

    tags: frozenset[tuple[str, str]] = frozenset()
    manifests: frozenset[str] = frozenset()

    def after(self, op: Operation) -> "Repository | None":
        return getattr(self, f"_{op.kind}")(op)

    def _without(self, names: Iterable[str]) -> frozenset[tuple[str, str]]:
        return frozenset(pair for pair in self.tags if pair[0] not in names)

    def _put(self, op: Operation) -> "Repository":
        return Repository(self._without(op.tags).union((tag, op.name) for tag in op.tags), self.manifests | {op.name})

    def _untag(self, op: Operation) -> "Repository | None":
        there = any(tag == op.name for tag, _ in self.tags)
        if op.status == 404:
            return None if there else self
        return self._replace(tags=self._without((op.name,))) if there else None

    def _delete(self, op: Operation) -> "Repository | None":
        """The tags that name the manifest go with it."""
        there = op.name in self.manifests
        if op.status == 404:
            return None if there else self
        left = frozenset(pair for pair in self.tags if pair[1] != op.name)
        return Repository(left, self.manifests - {op.name}) if there else None

    def _get(self, op: Operation) -> "Repository | None":
        found = next(
            (digest for tag, digest in self.tags if tag == op.name), op.name if op.name in self.manifests else None
        )
        return self if found == op.seen else None

    def _list(self, op: Operation) -> "Repository | None":
        return self if sorted(tag for tag, _ in self.tags) == op.seen else None


class Session(NamedTuple):
    """The bytes that an upload has so far; None where it is over."""

    content: bytes | None = b""

    def after(self, op: Operation) -> "Session | None":
        if op.status == 404:
            return self if self.content is None else None
        return None if self.content is None else getattr(self, f"_{op.kind}")(op)

    def _append(self, op: Operation) -> "Session | None":
        return Session(self.content + op.chunk) if len(self.content) == op.start else None

    def _ask(self, op: Operation) -> "Session | None":
        return self if len(self.content) == op.seen else None

    def _end(self, op: Operation) -> "Session | None":
        return Session(None) if digest_of(self.content) == op.name else None

    def _cancel(self, op: Operation) -> "Session":
        return Session(None)


class Blob:
    """One blob of one repository: when it came, was promised, seen, missed and deleted, and the manifests that refer to
    it.
    """

    def __init__(self, lease: float):
        self._lease = lease * 0.9e9  # HEAD begins a new lease only when a tenth of the old one has passed
        self.comes: list[Operation] = []
        self.promises: list[Operation] = []
        self.present: list[Operation] = []
        self.absent: list[Operation] = []
        self.deletes: list[Operation] = []
        self.in_use: list[Operation] = []
        self.manifests: dict[str, list[Operation]] = defaultdict(list)
        self.removals: dict[str, list[Operation]] = defaultdict(list)

    def note(self, op: Operation) -> None:
        """A request about this blob itself."""
        if op.kind in ("push", "end", "mount"):
            self.comes += [op] if op.status in (0, 201) else []
            self.promises += [op] if op.status == 201 else []
        elif op.kind == "drop" and op.status in (0, 202):
            self.deletes.append(op)
        if op.status == 409:
            self.in_use.append(op)
        elif op.status == 404 and op.kind != "end":
            self.absent.append(op)
        self.promises += [op] if op.kind == "head" and op.status == 200 else []
        self.present += [op] if op.status in (200, 409) or (op.kind, op.status) == ("drop", 202) else []

    def note_source(self, op: Operation) -> None:
        """A mount elsewhere that names this repository; it renews the lease here."""
        if op.status == 201:
            self.present.append(op)
            self.promises.append(op)
        elif op.status == 202:
            self.absent.append(op)

    def note_manifest(self, op: Operation, digest: str) -> None:
        """A manifest that refers to it is pushed or deleted; both begin a new lease."""
        if op.kind == "put" and op.status in (0, 201):
            self.manifests[op.name].append(op)
        elif op.kind == "delete" and op.status in (0, 202):
            self.removals[op.name].append(op)
        elif op.kind == "put" and digest in (op.seen or ()):
            self.absent.append(op)
        self.promises += [op] if op.status in (201, 202) else []
        self.present += [op] if op.status == 201 else []

    def violations(self) -> Iterable[tuple[str, str]]:
        promises, deletes, held = Answered(self.promises), Answered(self.deletes), self._held()
        for op in self.absent:
            promise = promises.newest(op.invoked)
            if promise and op.until < promise.invoked + self._lease and not _between(self.deletes, promise, op):
                yield "I8", f"gone within its lease\n{op}\nafter\n{promise}"
        for op in (*self.absent, *self.deletes):
            holder = next((put for begin, end, put in held if begin < op.invoked and op.until <= end), None)
            if op.status and holder:
                yield "I3", f"gone, though a manifest refers to it\n{op}\nafter\n{holder}"
        for op in self.present:
            gone = deletes.newest(op.invoked) or NEVER
            if not _between(self.comes, gone, op):
                yield "I5", f"seen, though nobody brought it since it was deleted\n{op}\nafter\n{gone}"
        for op in self.in_use:
            if not any(self._may_be_there(put, op) for puts in self.manifests.values() for put in puts):
                yield "I8", f"refused, though no manifest refers to it\n{op}"

    def _held(self) -> list[tuple[float, float, Operation]]:
        """From when to when a manifest that refers to it surely was there, and the push of that manifest."""
        times = []
        for name, puts in self.manifests.items():
            for put in puts:
                removals = [gone.invoked for gone in self.removals[name] if gone.until > put.invoked]
                times.append((put.until, min(removals, default=float("inf")), put))
        return times

    def _may_be_there(self, put: Operation, op: Operation) -> bool:
        removed = any(
            gone.status and gone.invoked > put.until and gone.until < op.invoked for gone in self.removals[put.name]
        )
        return put.invoked < op.until and not removed


NEVER = Operation("drop", "", invoked=-1, answered=-1, status=202)
"""Stands for the time before everything, when there was no blob."""


class Answered:
    """Operations by the time of their answers."""

    def __init__(self, operations: Iterable[Operation]):
        found = sorted((op for op in operations if op.status), key=lambda op: op.until)
        self._times = [op.until for op in found]
        self._newest = list(accumulate(found, lambda one, other: max(one, other, key=lambda op: op.invoked)))

    def newest(self, before: float) -> Operation | None:
        """Of those answered by then the one that was asked last: whatever an older one promised, this one did too."""
        place = bisect_left(self._times, before)
        return self._newest[place - 1] if place else None


def _between(operations: Iterable[Operation], first: Operation, last: Operation) -> bool:
    """Whether one of these can have had its effect after the first and before the last."""
    return any(op.until > first.invoked and op.invoked < last.until for op in operations)
