"""Manifests: stored byte for byte, together with the references that say what is still needed."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, TypeVar

from ...db import ROWS, Database, DatabaseBusy, DatabaseFailed, DatabaseFull, Tx, now
from ...errors import ChangeRefused, DigestInvalid, ManifestInvalid, ManifestUnknown, NameUnknown
from ...names import Reference, algorithm_of, digest_of
from .. import audit
from ..access import facts
from ..access.facts import Facts, Question
from ..audit import Actor
from ..changes import recheck_rights
from ..quotas.quota_sums import Change
from ..quotas.quotas import Quotas
from . import documents, references, referrers, repositories, tags, unfinished
from .documents import Document
from .long_work import LongWork
from .pace import NO_PACE, Pace
from .references import FoundReferences
from .unfinished import MANY, REFERENCE_BYTES, Unfinished, UnfinishedManifests

T = TypeVar("T")
# Long bodies are read after the decision. The time to read one would tell of what a client may not see, and anybody
# could have them read.
_COLUMNS = (
    f"{facts.COLUMNS}, manifests.digest, manifests.media_type, manifests.size, CASE WHEN manifests.size <= 16384 THEN"
    f" manifests.body END {facts.TABLES}"
)
_BY_TAG = (
    f"{_COLUMNS} LEFT JOIN tags ON tags.repository_id = repositories.id AND tags.name = ?"
    " LEFT JOIN manifests ON manifests.repository_id = tags.repository_id AND manifests.digest = tags.digest"
)
_BY_DIGEST = f"{_COLUMNS} LEFT JOIN manifests ON manifests.repository_id = repositories.id AND manifests.digest = ?"
_BODY = (
    "SELECT manifests.body FROM manifests JOIN repositories ON repositories.id = manifests.repository_id"
    " WHERE repositories.name = ? AND manifests.digest = ?"
)
_TYPE = "SELECT media_type FROM manifests WHERE repository_id = ? AND digest = ?"
_FORGET_FACTS = "DELETE FROM manifest_facts WHERE repository_id = ? AND digest = ?"
_TAGGED = "SELECT 1 FROM tags WHERE repository_id = ? AND digest = ? LIMIT 1"
_UNTAG = "DELETE FROM tags WHERE repository_id = ? AND name = ? AND digest = ?"
_WARNING = (
    "SELECT manifests.warning FROM manifests JOIN repositories ON repositories.id = manifests.repository_id"
    " WHERE repositories.name = ? AND manifests.digest = ?"
)
_WARN = "UPDATE manifests SET warning = ? WHERE repository_id = ? AND digest = ? AND warning IS NULL"
# Reading a longer manifest takes milliseconds, and it may have thousands of references. So it takes its turn.
_LARGE = 64 << 10
_LONG_ANNOTATIONS = 4 << 10
_LONGEST_ACTOR = 160
# So many tags fit into one entry of the audit, however long they are. For moved tags the entry has digests too.
_NOTED, _NOTED_MOVED = 25, 9


class Manifest(NamedTuple):
    """size: in bytes. body: None if it is long; Manifests.body reads it."""

    digest: str
    media_type: str
    size: int
    body: bytes | None


@lru_cache(1024)
def question(reference: Reference) -> Question:
    """The question for a manifest. `found` reads the answer."""
    return Question(_BY_DIGEST, (reference.digest,)) if reference.digest else Question(_BY_TAG, (reference.tag,))


def found(reference: Reference, told: Facts) -> Manifest:
    """Raises NameUnknown, ManifestUnknown."""
    if told.content[0] is not None:
        return Manifest(*told.content)
    name, wanted = told.object.name, reference.digest or reference.tag
    if not told.object.exists:
        raise NameUnknown(name=name)
    raise ManifestUnknown(f"{name} has no manifest {wanted}", name=name, reference=wanted)


class Stored(NamedTuple):
    """The result of pushing a manifest. warning: what is wrong with the manifest, though it was stored."""

    digest: str
    subject: str | None
    tags: list[str]
    warning: str | None


class _Push(NamedTuple):
    """A manifest that is about to be stored. recorded: where its references are recorded already."""

    repository: str
    digest: str
    document: Document
    body: bytes
    held: FoundReferences
    warning: str | None
    recorded: Unfinished | None = None

    def has_many_references(self) -> bool:
        """The same for each push of the manifest, whatever the repository has."""
        return len(self.document.references()) > MANY


class Manifests:
    """changed: called with the name of a repository to which something was pushed, or in which it was deleted.
    stored: called with repository and digest after each push.
    """

    def __init__(
        self,
        db: Database,
        quotas: Quotas = Quotas(),
        changed: Callable[[str], None] = lambda name: None,
        stored: Callable[[str, str], None] = lambda name, digest: None,
    ):
        self._db, self._quotas, self._changed, self._stored = db, quotas, changed, stored
        self._unfinished = UnfinishedManifests(db)
        # Python runs one thread at a time, so a second thread would only delay the event loop.
        self._thread = ThreadPoolExecutor(1, "parse")
        self._long_work = LongWork()
        self._one_body = asyncio.Lock()

    async def body(self, repository: str, manifest: Manifest) -> bytes:
        """A long body, for a client that may have it. Raises ManifestUnknown if it was deleted meanwhile.

        Reading 4 MiB takes milliseconds, so large ones are read in a thread, one after the other.
        """

        def read(tx: Tx) -> tuple | None:
            return tx.one(_BODY, repository, manifest.digest)

        if manifest.size > _LARGE:
            async with self._one_body:
                row = await self._db.scan(read)
        else:
            row = await self._db.read(read)
        if row is None:
            raise ManifestUnknown("this repository has no manifest of that tag or digest", reference=manifest.digest)
        return row[0]

    async def bytes_of(self, repository: str, digest: str) -> bytes:
        """The bytes of a manifest. Raises ManifestUnknown."""
        return await self.body(repository, Manifest(digest, "", 0, None))

    async def put(
        self,
        repository: str,
        reference: Reference,
        body: bytes,
        content_type: str,
        more_tags: list[str],
        moves: bool = True,
        actor: Actor | None = None,
        require_still: Callable[[], Awaitable[None]] | None = None,
    ) -> Stored:
        """Store the bytes and point the tags to them, all or nothing.

        moves: also tags that point elsewhere. actor: who is noted. require_still: called before anything becomes
        visible, because a large manifest waits for others. It raises if the push is not allowed any more.

        Raises ManifestInvalid, DigestInvalid, ManifestBlobUnknown, QuotaExceeded, Denied, and what require_still
        raises.
        """
        async with self._long_work.take(len(body)) if len(body) > _LARGE else contextlib.nullcontext():
            work = self._work if len(body) > _LARGE else _work_at_once
            algorithm = algorithm_of(reference.digest or "sha256")
            document, digest = await work(lambda pace: _read(body, content_type, algorithm, pace))
            if reference.digest and reference.digest != digest:
                raise DigestInvalid(
                    "the manifest has another digest than the URL says", "push it under its own digest", digest=digest
                )
            names = dict.fromkeys(([reference.tag] if reference.tag else []) + more_tags)
            held = await references.ask(self._db, repository, document)
            warning = await work(lambda pace: _judge(document, held, pace))
            push = _Push(repository, digest, document, body, held, warning)
            point = tags.point if moves else tags.make
            await self._store(push, lambda last: self._commit(last, names, point, actor), require_still)
            self._changed(repository)
            self._stored(repository, digest)
        return Stored(digest, document.subject, list(names), warning)

    async def _store(
        self,
        push: _Push,
        commit: Callable[[_Push], Awaitable[None]],
        require_still: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Store the manifest and point the tags to it in one transaction, after transactions that record its references
        if they are many.
        """
        recorded = None
        if push.has_many_references():
            recorded = await self._unfinished.record(push.repository, push.digest, push.held)
        try:
            if require_still is not None:
                await require_still()
            await commit(push._replace(recorded=recorded))
        except BaseException:
            if recorded is not None:
                await self._unfinished.clean_up(recorded)
            raise

    async def _commit(self, push: _Push, names: Iterable[str], point: Callable, actor: Actor | None) -> None:
        def change(tx: Tx) -> None:
            place = self._quotas.enter(tx, push.repository, actor)
            new = _store(tx, place.repository_id, push)
            by = actor and actor.name[:_LONGEST_ACTOR]
            before = {name: point(tx, place.repository_id, name, push.digest, by) for name in names}
            if actor is not None:
                _note_push(tx, actor, push.repository, push.digest, new, before)
            place.charge(tx, len(push.body) if new else None)

        rows = 0 if push.recorded else REFERENCE_BYTES * len(push.document.references())
        brings = len(push.body) + _LONG_ANNOTATIONS + rows + ROWS
        await self._quotas.decided(self._db, lambda: self._db.write(change, repeatable=True, brings=brings))

    async def tag(
        self, repository: str, digest: str, name: str, moves: bool = False, actor: Actor | None = None
    ) -> None:
        """Give a stored manifest one more tag. moves: also if the tag points elsewhere. actor: who is noted.

        Raises NameUnknown, ManifestUnknown; Denied if it may not move the tag.
        """

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            found = repositories.find(tx, repository)
            if found is None:
                raise NameUnknown(name=repository)
            if not references.guard(tx, found, [digest]):
                raise ManifestUnknown(f"{repository} has no manifest {digest}", name=repository, reference=digest)
            by = actor and actor.name[:_LONGEST_ACTOR]
            before = {name: (tags.point if moves else tags.make)(tx, found, name, digest, by)}
            if actor is not None:
                _note_push(tx, actor, repository, digest, False, before)

        await self._db.write(change, repeatable=True)
        self._changed(repository)

    async def warning(self, repository: str, digest: str) -> str | None:
        """The warning from when the manifest was pushed; None if there is none."""
        row = await self._db.read(lambda tx: tx.one(_WARNING, repository, digest))
        return row[0] if row else None

    async def _work(self, fn: Callable[[Pace], T]) -> T:
        """Run long work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: fn(Pace()))

    async def delete(self, repository: str, digest: str, actor: Actor | None = None, untagged: bool = False) -> None:
        """Delete a manifest and every tag that points to it. untagged: only if none does; else raise ChangeRefused.

        actor: who is noted. Raises NameUnknown, ManifestUnknown; InUse while an index has it.
        """

        def change(tx: Tx) -> Unfinished | None:
            recheck_rights(tx, actor)
            repository_id = repositories.find(tx, repository)
            if repository_id is None:
                raise NameUnknown(name=repository)
            tx.lock(_TYPE, repository_id, digest)
            references.refuse_needed_manifest(tx, repository_id, digest)
            if untagged and tx.one(_TAGGED, repository_id, digest):
                raise ChangeRefused("a tag points to the manifest by now", "look at the list again")
            gone, left = _remove(tx, repository_id, digest)
            if actor is not None:
                _note(tx, actor, repository, digest, gone)
            self._quotas.find(tx, repository).decide(tx, Change(freed=1))
            return left

        left = await self._db.write(change, brings=0)
        self._changed(repository)
        if left:
            # The manifest is deleted. If the database fails now, the periodic job removes the rest.
            with contextlib.suppress(DatabaseBusy, DatabaseFull, DatabaseFailed):
                await self._unfinished.remove(left)

    def close(self) -> None:
        self._thread.shutdown()


async def _work_at_once(fn: Callable[[Pace], T]) -> T:
    """Run short work in the event loop."""
    return fn(NO_PACE)


def _read(body: bytes, content_type: str, algorithm: str, pace: Pace) -> tuple[Document, str]:
    """The document and its digest."""
    return documents.parse(body, content_type, pace), digest_of(algorithm, body)


def _judge(document: Document, held: FoundReferences, pace: Pace) -> str | None:
    """The warning about what the repository has. Raises ManifestBlobUnknown."""
    references.require(document, held, pace)
    return references.warning(document, held, pace)


def _store(tx: Tx, repository_id: int, push: _Push) -> bool:
    """Insert the manifest and its references. False if the manifest was there before."""
    known = references.guard(tx, repository_id, [push.digest]) > 0
    complete = push.has_many_references() and _are_recorded(tx, repository_id, push, known)
    held = push.held if complete else references.confirm(tx, push.repository, repository_id, push.document, push.held)
    new = not known and _insert(tx, repository_id, push)
    if not new:
        if not known:
            references.guard(tx, repository_id, [push.digest])  # another push has just stored it
        _refuse_other_type(tx.one(_TYPE, repository_id, push.digest)[0], push.document.media_type)
        if push.warning is not None:
            tx.run(_WARN, push.warning, repository_id, push.digest)
    if not complete:
        # Also for a manifest that was here before, because a foreign layer may have been pushed since.
        references.record(tx, repository_id, push.digest, held)
    return new


def _are_recorded(tx: Tx, repository_id: int, push: _Push, known: bool) -> bool:
    """Whether the transactions before this one have recorded all references.

    Another push of the same manifest may have ended first. Then the manifest is known, and its references are recorded.
    """
    ended = unfinished.end(tx, repository_id, push.digest, push.recorded)
    if push.recorded is None or not (ended or known):
        return False
    # A server of the version before may have deleted the manifest meanwhile, with its references.
    return references.count(tx, repository_id, push.digest) >= sum(map(len, push.held))


def _insert(tx: Tx, repository_id: int, push: _Push) -> bool:
    """For long annotations the column has only a mark, because the body has them too."""
    document = push.document
    annotations = json.dumps(document.annotations) if document.annotations else None
    if annotations is not None and len(annotations) > _LONG_ANNOTATIONS:
        annotations = referrers.IN_BODY
    kind = document.media_type, document.artifact_type, document.subject
    return tx.insert(
        "INSERT INTO manifests (repository_id, digest, media_type, artifact_type, subject, size, pushed_at,"
        " annotations, body, warning) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(repository_id, push.digest, *kind, len(push.body), now(), annotations, push.body, push.warning),
    )


def _refuse_other_type(known: str, media_type: str) -> None:
    """The same bytes can't have two types.

    Without mediaType inside, the first Content-Type that came with them counts.
    """
    if known != media_type:
        raise ManifestInvalid(
            f"these bytes are in this repository already, as {known}", "push them with that Content-Type"
        )


def _remove(tx: Tx, repository_id: int, digest: str) -> tuple[list[str], Unfinished | None]:
    """Delete the manifest, its tags and references. The lease of each blob begins now.

    Returns the tags, and what is left to do if the references are many. Raises ManifestUnknown.
    """
    if not tx.run("DELETE FROM manifests WHERE repository_id = ? AND digest = ?", repository_id, digest):
        raise ManifestUnknown("this repository has no manifest of that digest", digest=digest)
    tx.run(_FORGET_FACTS, repository_id, digest)
    left = unfinished.forget(tx, repository_id, digest)
    names = tx.all("SELECT name FROM tags WHERE repository_id = ? AND digest = ? ORDER BY name", repository_id, digest)
    # One by one: a push may just have moved one of them to another manifest.
    return [name for (name,) in names if tx.run(_UNTAG, repository_id, name, digest)], left


def _note_push(tx: Tx, actor: Actor, repository: str, digest: str, new: bool, before: dict[str, str | None]) -> None:
    """before: what each tag pointed to.

    A push that changes nothing has no entry, so repeating one does not fill the audit.
    """
    names = [name for name, old in before.items() if old != digest]
    if not new and not names:
        return
    moved = {name: old for name in names if (old := before[name]) is not None}
    size = _NOTED_MOVED if moved else _NOTED
    for first in range(0, max(len(names), 1), size):
        part = names[first : first + size]
        detail = {"moved": {name: moved[name] for name in part if name in moved}} if moved else {}
        audit.note(tx, actor, "manifest.push", f"repository {repository}", digest=digest, tags=part, **detail)


def _note(tx: Tx, actor: Actor, repository: str, digest: str, gone: list[str]) -> None:
    """Use as many entries as it takes to name all tags that are gone."""
    for first in range(0, max(len(gone), 1), _NOTED):
        audit.note(
            tx, actor, "manifest.delete", f"repository {repository}", digest=digest, tags=gone[first : first + _NOTED]
        )
