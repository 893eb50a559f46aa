"""The verifier is worth as much as the damage that it finds: spoil the data by hand and it must say so."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from email.message import Message

import pytest

from tests.faults.journal import ABSENT, Journal, Key, Refused
from tests.faults.verifier import database, residue, verify
from tests.faults.workload import Journalled, image
from tests.support.http import Response
from tests.support.server import Registry

REPOSITORY = "spoil/app"


def sql(statement: str, *parameters: object) -> Callable[[Registry], None]:
    def spoil(registry: Registry) -> None:
        with closing(sqlite3.connect(database(registry))) as connection, connection:
            assert connection.execute(statement, parameters).rowcount > 0

    return spoil


def one_file(registry: Registry):
    return max(
        (path for path in (registry.root / "blobs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )


def flip_a_bit(registry: Registry) -> None:
    data = bytearray(one_file(registry).read_bytes())
    data[len(data) // 2] ^= 1
    one_file(registry).write_bytes(data)


def resurrect(registry: Registry) -> None:
    sql(
        "INSERT INTO tags (repository_id, name, digest, updated_at)"
        " SELECT repository_id, 'deleted', digest, updated_at FROM tags WHERE name = 'second'"
    )(registry)


DAMAGE = {
    "a bit": (flip_a_bit, {"I1", "I3", "I4"}),
    "a file gone": (lambda registry: one_file(registry).unlink(), {"I1", "I2", "I3"}),
    "a file cut": (lambda registry: one_file(registry).write_bytes(b"short"), {"I1", "I2", "I3", "I4"}),
    "a row of bytes gone": (sql("DELETE FROM small_blobs"), {"I1", "I2", "I3"}),
    "a tag lost": (sql("DELETE FROM tags WHERE name = 'first'"), {"I1"}),
    "a tag of old": (
        sql("UPDATE tags SET digest = (SELECT digest FROM tags WHERE name = 'second') WHERE name = 'first'"),
        {"I1"},
    ),
    "a deleted tag": (resurrect, {"I5"}),
    "a manifest lost": (sql("DELETE FROM manifests"), {"I1", "I2"}),
    "a link lost": (sql("DELETE FROM repository_blobs"), {"I1", "I3"}),
    "other bytes": (sql("UPDATE manifests SET body = x'7b7d'"), {"I1", "I2", "I4"}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(tmp_path, damage):
    spoil, invariants = DAMAGE[damage]
    registry = Registry(tmp_path / "data", workers=1, gc_interval=86400).start()
    try:
        journal = Journal(tmp_path / "journal")
        client = Journalled(registry.address, journal)
        layer = journal.new_content(50_000)[1]
        for data in (layer, b"{}"):
            client.upload(REPOSITORY, data)
        for number, tag in enumerate(("first", "second", "deleted")):
            client.put_manifest(REPOSITORY, tag, image(b"{}", [layer], annotations={"n": str(number)}))
        client.delete_tag(REPOSITORY, "deleted")
        assert verify(registry, journal) + residue(registry) == []
        registry.kill()
        spoil(registry)
        registry.start()
        assert invariants & {violation.invariant for violation in verify(registry, journal)}
    finally:
        registry.kill()


def test_stray_files_are_found(tmp_path):
    """Not by the registry's own collector alone: this reads directory and database itself."""
    with Registry(tmp_path / "data", workers=1, gc_interval=86400) as registry:
        client = Journalled(registry.address, Journal(tmp_path / "journal"))
        client.upload(REPOSITORY, bytes(50_000))
        assert residue(registry) == []
        one_file(registry).unlink()
        assert [violation.invariant for violation in residue(registry)] == ["I10"]


class TestJournal:
    """A cell is a register: what a later acknowledged attempt has overwritten may not come back."""

    KEY = Key("tag", "a/b", "t")

    @pytest.fixture
    def journal(self, tmp_path):
        return Journal(tmp_path / "journal")

    def lost(self, journal, value):
        with pytest.raises(ConnectionError), journal.attempt("lost", {self.KEY: value}):
            raise ConnectionError

    def test_acknowledged_values_overwrite(self, journal):
        for value in ("1", "2"):
            with journal.attempt("put", {self.KEY: value}):
                pass
        assert journal.allowed(self.KEY) == {"2"}

    def test_lost_answers_leave_both(self, journal):
        self.lost(journal, "1")
        assert journal.allowed(self.KEY) == {ABSENT, "1"}
        self.lost(journal, "2")
        assert journal.allowed(self.KEY) == {ABSENT, "1", "2"}

    def test_an_acknowledgement_ends_earlier_doubts(self, journal):
        self.lost(journal, "1")
        with journal.attempt("put", {self.KEY: "2"}):
            pass
        self.lost(journal, "3")
        assert journal.allowed(self.KEY) == {"2", "3"}

    def test_concurrent_attempts_may_both_be_last(self, journal):
        with journal.attempt("slow", {self.KEY: "1"}), journal.attempt("fast", {self.KEY: "2"}):
            pass
        assert journal.allowed(self.KEY) == {"1", "2"}

    def test_refused_changes_nothing(self, journal):
        answer = Response("PUT", "/", 404, Message(), b"")
        with pytest.raises(Refused), journal.attempt("put", {self.KEY: "1"}):
            raise Refused(answer)
        assert journal.allowed(self.KEY) == {ABSENT}

    def test_after_the_freeze_nothing_counts(self, journal):
        journal.freeze()
        with journal.attempt("put", {self.KEY: "1"}):
            pass
        assert journal.allowed(self.KEY) == {ABSENT, "1"} and journal.acknowledged == 0

    def test_what_was_read_back_stays(self, journal):
        self.lost(journal, "1")
        journal.observe(self.KEY, ABSENT)
        assert journal.allowed(self.KEY) == {ABSENT}
