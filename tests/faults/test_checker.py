"""The checker of histories is worth as much as the lies that it finds: each is planted in a history that is sound
without it.
"""

import random

import pytest

from tests.faults.history import History, Operation
from tests.support.http import digest_of

SECOND = 1_000_000_000


def told(*operations: tuple, lease: float = 10) -> History:
    """A history of (from, to, status, kind, name, more), in seconds of a clock; to = None: no answer."""
    history = History(lease)
    for invoked, answered, status, kind, name, more in operations:
        operation = Operation(kind, "app", name, invoked=int(invoked * SECOND), status=status, **more)
        operation.answered = None if answered is None else int(answered * SECOND)
        history.operations.append(operation)
    random.Random(1).shuffle(history.operations)
    return history


def put(invoked, answered, digest, *tags, status=201, parts=(), seen=None):
    return (
        invoked,
        answered,
        status if answered else 0,
        "put",
        digest,
        {"tags": tags or ("t",), "parts": parts, "seen": seen},
    )


def get(invoked, answered, seen, name="t"):
    return invoked, answered, 200 if seen else 404, "get", name, {"seen": seen}


def untag(invoked, answered, status=202):
    return invoked, answered, status, "untag", "t", {}


def delete(invoked, answered, digest, status=202):
    return invoked, answered, status, "delete", digest, {}


def tags(invoked, answered, *seen):
    return invoked, answered, 200, "list", "", {"seen": list(seen)}


def blob(invoked, answered, status, kind, **more):
    return invoked, answered, status, kind, "B", more


def upload(invoked, answered, status, kind, name="", **more):
    return invoked, answered, status, kind, name, {"session": "u", **more}


SOUND = {
    "a read beside a write sees either": [put(0, 1, "A"), put(2, 5, "B"), get(3, 4, "A"), get(3, 4, "B")],
    "writes at the same time in any order": [put(0, 9, "A"), put(0, 9, "B"), get(1, 2, "B"), get(3, 4, "A")],
    "no answer, and it came true late": [put(0, 1, "A"), put(2, None, "B"), get(3, 4, "A"), get(7, 8, "B")],
    "no answer, and it never came true": [put(0, 1, "A"), put(2, None, "B"), get(7, 8, "A")],
    "deleted and written again": [put(0, 1, "A"), untag(2, 3), get(4, 5, None), put(6, 7, "A"), get(8, 9, "A")],
    "its manifest was deleted": [put(0, 1, "A", "t", "s"), delete(2, 5, "A"), get(3, 4, None), get(6, 7, None, "s"),
    tags(6, 7)],
    "a delete that comes before the move": [put(0, 1, "A"), put(2, 5, "B"), delete(2, 5, "A"), get(6, 7, "B")],
    "two deletes, one found nothing": [put(0, 1, "A"), untag(2, 5), untag(2, 5, 404)],
    "collected when the lease was over": [blob(0, 1, 201, "push"), blob(20, 21, 404, "head")],
    "deleted beside the promise": [blob(0, 1, 201, "push"), blob(2, 5, 200, "head"), blob(3, 4, 202, "drop"), blob(6, 7,
    404, "pull")],
    "held by a manifest without a lease": [blob(0, 1, 201, "push"), put(2, 3, "A", parts=("B",)), blob(50, 51, 409,
    "drop"), blob(60, 61, 200, "pull")],
    "one of two chunks": [upload(0, 3, 202, "append", start=0, chunk=b"x"), upload(0, 3, 416, "append", start=0,
    chunk=b"y"),
                          upload(4, 6, 201, "end", digest_of(b"x")), upload(5, 7, 404, "end", digest_of(b"x"))],
}  # fmt: skip
LIES = {
    "a stale read": ("I2", [put(0, 1, "A"), put(2, 3, "B"), get(4, 5, "A")]),
    "a read that goes back": ("I2", [put(0, 1, "A"), put(2, 9, "B"), get(3, 4, "B"), get(5, 6, "A")]),
    "a lost update": ("I2", [put(0, 1, "A"), put(2, 3, "B"), get(4, 5, "A"), get(6, 7, "A")]),
    "a first write lost": ("I2", [put(0, 1, "A"), get(2, 3, None)]),
    "a resurrected tag": ("I2", [put(0, 1, "A"), untag(2, 3), get(4, 5, "A")]),
    "a tag that outlives its manifest": ("I2", [put(0, 1, "A"), delete(2, 3, "A"), get(4, 5, "A")]),
    "a manifest that outlives its deletion": ("I2", [put(0, 1, "A"), delete(2, 3, "A"), get(4, 5, "A", "A")]),
    "a write with two effects": ("I2", [put(0, 1, "A"), put(2, 9, "B"), get(3, 4, "B"), put(5, 6, "C"), get(7, 7.5,
    "C"), get(8, 8.5, "B")]),
    "a delete with two effects": ("I2", [put(0, 1, "A"), untag(2, 5), untag(2, 5)]),
    "a delete of the new value": ("I2", [put(0, 1, "A"), put(2, 3, "B"), delete(4, 5, "A"), get(6, 7, None)]),
    "half of a push of two tags": ("I2", [put(0, 9, "A", "t", "s"), get(1, 2, "A"), get(3, 4, None, "s")]),
    "a list with half of a delete": ("I2", [put(0, 1, "A", "t", "s"), delete(2, 5, "A"), tags(3, 4, "t")]),
    "a value that nobody wrote": ("I2", [put(0, 1, "A"), get(2, 3, "Z")]),
    "an effect of what was refused": ("I2", [put(0, 1, "A"), put(2, 3, "B", status=400), get(4, 5, "B")]),
    "what got no answer seen and lost": ("I2", [put(0, 1, "A"), put(2, None, "B"), get(3, 4, "B"), get(5, 6, "A")]),
    "gone though HEAD had promised": ("I8", [blob(0, 1, 201, "push"), blob(8, 9, 200, "head"), blob(15, 16, 404,
    "pull")]),
    "refused though it had been mounted": ("I8", [blob(0, 1, 201, "push"), blob(8, 9, 201, "mount", source="app"),
                                                  put(15, 16, "A", parts=("B",), status=400, seen=["B"])]),
    "gone though a manifest has it": ("I3", [blob(0, 1, 201, "push"), put(2, 3, "A", parts=("B",)), blob(50, 51, 404,
    "head")]),
    "deleted though a manifest has it": ("I3", [blob(0, 1, 201, "push"), put(2, 3, "A", parts=("B",)), blob(4, 5, 202,
    "drop")]),
    "a resurrected blob": ("I5", [blob(0, 1, 201, "push"), blob(2, 3, 202, "drop"), blob(4, 5, 200, "pull")]),
    "a blob that nobody pushed": ("I5", [blob(4, 5, 200, "head")]),
    "a blob that was deleted twice": ("I5", [blob(0, 1, 201, "push"), blob(2, 3, 202, "drop"), blob(4, 5, 202,
    "drop")]),
    "in use by nothing": ("I8", [blob(0, 1, 201, "push"), put(2, 3, "A", parts=("B",)), delete(4, 5, "A"), blob(6, 7,
    409, "drop")]),
    "both chunks at one place": ("I2", [upload(0, 3, 202, "append", start=0, chunk=b"x"), upload(0, 3, 202, "append",
    start=0, chunk=b"y")]),
    "a chunk lost": ("I2", [upload(0, 1, 202, "append", start=0, chunk=b"x"), upload(2, 3, 204, "ask", seen=0)]),
    "an upload that ended twice": ("I2", [upload(0, 3, 201, "end", digest_of(b"")), upload(0, 3, 201, "end",
    digest_of(b""))]),
    "an error": ("I8", [blob(0, None, 0, "push")]),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_what_may_be_is_accepted(name):
    assert told(*SOUND[name]).violations(faults=True) == []


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found(name):
    invariant, operations = LIES[name]
    found = told(*operations).violations(faults=invariant != "I8")
    assert {violation.invariant for violation in found} == {invariant}


@pytest.mark.parametrize("seed", range(20))
def test_a_lie_in_a_long_history_is_found(seed):
    """Many clients at a register that works; then one of its late reads gives an old value."""
    chance = random.Random(seed)
    operations, at = [], 0.0
    for number in range(600):
        at += 1  # the moment of the effect; question and answer lie around it
        invoked, answered = at - chance.uniform(0, 3), at + chance.uniform(0, 3)
        operations.append(
            put(invoked, answered, str(number)) if number % 3 == 0 else get(invoked, answered, str(number // 3 * 3))
        )
    assert told(*operations).violations() == []
    place = chance.choice([n for n in range(100, 600) if n % 3])
    invoked, answered, *_ = operations[place]
    operations[place] = get(invoked, answered, str(place // 3 * 3 - 30))
    assert {violation.invariant for violation in told(*operations).violations()} == {"I2"}
