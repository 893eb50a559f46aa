"""Compare a registry that has come back after a fault with the journal of its clients.

The invariants are those of docs/reliability.md, by their numbers there.
"""

import json
import random
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.faults.journal import ABSENT, Journal, Key
from tests.support import forked, mariadb, object_stores
from tests.support.http import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Client, Response, digest_of
from tests.support.server import Registry, registry_pyz, setting_name, setting_text

ACCEPT = {"Accept": ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST))}


class Violation(NamedTuple):
    """One broken promise: which one, of what, and what was found instead."""

    invariant: str
    subject: str
    detail: str


class Verifier:
    """Reads with a connection of its own; `violations` grows, `values` counts what was compared."""

    def __init__(self, address: str, journal: Journal):
        self.http = Client(address)
        self.journal = journal
        self.violations: list[Violation] = []
        self.compared = 0
        self._pulled: dict[tuple[str, str], bool] = {}
        self._closed: set[tuple[str, str]] = set()

    def verify(self, keys: Iterable[Key] | None = None) -> list[Violation]:
        """Compare these cells, or all of them, and everything that the visible manifests refer to."""
        keys = list(self.journal.cells if keys is None else keys)
        for kind in ("tag", "manifest", "blob"):
            for key in keys:
                if key.kind == kind:
                    self._compare(key)
        for repository in sorted({key.repository for key in keys if key.kind == "tag"}):
            self._compare_list(repository)
        self.http.close()
        return self.violations

    def _compare(self, key: Key) -> None:
        self.compared += 1
        found = self._read(key)
        if found == "unreadable":
            return
        allowed = self.journal.allowed(key)
        if found not in allowed:
            invariant = "I5" if allowed == {ABSENT} else "I1"
            self._report(invariant, key, f"holds {found}, may hold {allowed}: {self.journal.story(key)}")
        self.journal.observe(key, found)
        if key.kind != "blob" and found is not ABSENT:
            self._close(key.repository, found)

    def _read(self, key: Key) -> str | None:
        """The digest found, ABSENT, or "unreadable" after reporting why."""
        if key.kind == "blob":
            answer = self.http.get(f"/v2/{key.repository}/blobs/{key.name}")
        else:
            answer = self.http.get(f"/v2/{key.repository}/manifests/{key.name}", ACCEPT)
        if answer.status == 404:
            return ABSENT
        if answer.status != 200:
            self._report("I2", key, f"answers {answer.status} {answer.body[:300]!r}")
            return "unreadable"
        return self._digest(key, answer)

    def _digest(self, key: Key, answer: Response) -> str:
        digest = digest_of(answer.body)
        if answer.headers["Docker-Content-Digest"] != digest or (key.kind != "tag" and key.name != digest):
            told = answer.headers["Docker-Content-Digest"]
            self._report("I4", key, f"{len(answer.body)} bytes with digest {digest} came as {told}")
        elif digest not in self.journal.contents or answer.body != self.journal.bytes_of(digest):
            self._report("I4", key, f"{len(answer.body)} bytes that nobody pushed")
        return digest

    def _close(self, repository: str, digest: str) -> None:
        """I3: what a visible manifest refers to can be read in its repository."""
        if (repository, digest) in self._closed or digest not in self.journal.contents:
            return
        self._closed.add((repository, digest))
        document = json.loads(self.journal.bytes_of(digest))
        for child in document.get("manifests", []):
            answer = self.http.get(f"/v2/{repository}/manifests/{child['digest']}", ACCEPT)
            self._must_match("I3", f"{repository}@{digest}", child["digest"], answer)
            self._close(repository, child["digest"])
        for part in [*document.get("layers", []), *([document["config"]] if "config" in document else [])]:
            self._pull(repository, digest, part["digest"])

    def _pull(self, repository: str, manifest: str, digest: str) -> None:
        if (repository, digest) not in self._pulled:
            self._pulled[repository, digest] = True
            answer = self.http.get(f"/v2/{repository}/blobs/{digest}")
            self._must_match("I3", f"{repository}@{manifest}", digest, answer)

    def _must_match(self, invariant: str, subject: str, digest: str, answer: Response) -> None:
        self.compared += 1
        if answer.status != 200 or digest_of(answer.body) != digest:
            self._report(invariant, subject, f"part {digest} answers {answer.status} with {digest_of(answer.body)}")

    def _compare_list(self, repository: str) -> None:
        """I10: the tag list and the tags agree; every cell of the repository was observed just now or may be either."""
        listed: set[str] = set()
        path = f"/v2/{repository}/tags/list?n=1000"
        while path:
            answer = self.http.get(path)
            if answer.status == 404:  # nothing of what was tried here has come through
                break
            if answer.status != 200:
                self._report("I2", f"{repository} tags/list", f"answers {answer.status} {answer.body[:300]!r}")
                return
            listed |= set(answer.json()["tags"])
            path = (answer.headers["Link"] or "").partition("<")[2].partition(">")[0]
        for key in self.journal.keys("tag"):
            allowed = self.journal.allowed(key)
            if key.repository == repository and len(allowed) == 1 and (key.name in listed) == (allowed == {ABSENT}):
                self._report("I10", key, f"tag list says {key.name in listed}, the tag may hold {allowed}")

    def _report(self, invariant: str, subject: object, detail: str) -> None:
        text = ":".join(subject) if isinstance(subject, tuple) else str(subject)
        self.violations.append(Violation(invariant, text, detail))


def verify(registry: Registry, journal: Journal, sample: int | None = None) -> list[Violation]:
    """Everything tried since the last call and `sample` older cells (None: all), then the registry's own check."""
    touched = journal.take_touched()
    older = [key for key in journal.cells if key not in touched]
    chosen = older if sample is None else random.sample(older, min(sample, len(older)))
    found = Verifier(registry.address, journal).verify([*touched, *chosen])
    return found + own_check(registry)


def own_check(registry: Registry) -> list[Violation]:
    """I10: `check` reads every row and every byte, and finds nothing."""
    result = command(registry, "check", "--json")
    if result.returncode == 0:
        return []
    return [Violation("I10", "check", f"exit {result.returncode}: {result.stdout[:2000]}{result.stderr[-2000:]}")]


def residue(registry: Registry) -> list[Violation]:
    """I6: after gc without grace and with all uploads expired, the files are exactly those that blobs name."""
    result = command(registry, "gc", "--json", gc_grace=0, gc_upload_expiry=0)
    if result.returncode != 0:
        return [Violation("I6", "gc", f"exit {result.returncode}: {result.stdout}{result.stderr[-2000:]}")]
    stray, missing = files(registry) - keys(registry), keys(registry) - files(registry)
    return [Violation("I6", key, "a file that no blob names") for key in sorted(stray)] + [
        Violation("I10", key, "a blob's file is missing") for key in sorted(missing)
    ]


def command(registry: Registry, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """A command of registry.pyz beside a running registry, with other settings than the registry's own."""
    overrides = {setting_name(key): setting_text(value) for key, value in settings.items()}
    return forked.run(registry_pyz(), *arguments, environment=registry.environment() | overrides)


def files(registry: Registry) -> set[str]:
    """The names of all files in the store, and what stands for them in the database."""
    return stored(registry) | column(registry, "SELECT storage_key FROM small_blobs")


def stored(registry: Registry) -> set[str]:
    """The names of all files below blobs/ in the storage root, or of all objects and open uploads in the bucket."""
    if url := registry.environment().get(setting_name("storage_url"), ""):
        bucket = object_stores.at(url)
        lists = (*bucket.objects("blobs/"), *bucket.uploads("blobs/"))
        return {found.name.rpartition("/")[2] for page in lists for found in page}
    return {path.name for path in Path(registry.root, "blobs").rglob("*") if path.is_file()}


def keys(registry: Registry) -> set[str]:
    """The storage keys in the blobs table, read past the registry."""
    return column(registry, "SELECT storage_key FROM blobs")


def column(registry: Registry, sql: str) -> set[str]:
    url = registry.environment().get(setting_name("database_url"), "")
    if url.startswith("mysql:"):
        return {value for (value,) in mariadb.query(url, sql)}
    with closing(sqlite3.connect(f"file:{database(registry)}?mode=ro", uri=True)) as connection:
        return {row[0] for row in connection.execute(sql)}


def database(registry: Registry) -> Path:
    """The SQLite file of a registry."""
    url = registry.environment().get(setting_name("database_url"), "")
    return Path(url.removeprefix("sqlite:")) if url else registry.root / "registry.db"
