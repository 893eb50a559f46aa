"""The Range header as a weapon (security H9): no more bytes than the blob has, no error of the server, connection in
step.
"""

from __future__ import annotations

import os

import pytest

from tests.protocol import wire
from tests.support.http import Client, digest_of

SIZE = 1 << 20
DATA = os.urandom(SIZE)
MORE_THAN_THE_BLOB = 256 << 10
STATUSES = {200, 206, 400, 416, 431}
WHOLE_OR_416 = [
    "bytes=" + ",".join(["-1"] * 2_000),
    "bytes=" + ",".join(["0-"] * 10_000),
    "bytes=" + "," * 9_000,
    "bytes=5-4",
    "bytes=-",
    "bytes=--1",
    "bytes=-0",
    "bytes=+0-9",
    "bytes=0x0-0x9",
    "bytes=1_0-1_9",
    "bytes=0-9-10",
    "bytes=0-9;1-2",
    "bytes=\xef\xbc\x90-9",
    "bytes=1.5-9",
    "bytes=1e3-",
    "bytes",
    "bytes=",
    "=0-9",
    "0-9",
    "items=0-9",
    "none",
    "bytes=0-9\x0b",
    "bytes:0-9",
    "bytes=" + "9" * 5_000 + "-",
    f"bytes={2**63}-",
    f"bytes={2**64}-{2**64 + 10}",
    f"bytes={2**70}-",
    f"bytes={SIZE}-",
    f"bytes={SIZE}-{SIZE + 1}",
    f"bytes={SIZE + 1}-{SIZE}",
]
# What one range of the grammar means, however large its numbers: first and last byte.
MEANT = [
    (f"bytes=0-{2**70}", (0, SIZE - 1)),
    (f"bytes=-{2**70}", (0, SIZE - 1)),
    (f"bytes=10-{2**63}", (10, SIZE - 1)),
    ("bytes=0000000000000000000000000010-0000000000000000000000000019", (10, 19)),
    (f"bytes=-{SIZE + 1}", (0, SIZE - 1)),
    (f"bytes={SIZE - 1}-{SIZE - 1}", (SIZE - 1, SIZE - 1)),
    ("BYTES=0-9", (0, 9)),
    ("bytes=0-,0-,0-", (0, SIZE - 1)),
    ("bytes=" + ",".join(["0-"] * 1_000), (0, SIZE - 1)),
    ("bytes=" + ",".join(f"{n}-{n + 99}" for n in range(0, 1_000)), (0, 1_098)),
]


@pytest.fixture(scope="module")
def blob(registry) -> str:
    with Client(registry.address) as client:
        return f"/v2/ranges/app/blobs/{client.push_blob('ranges/app', DATA)}"


def ask(registry, path: str, headers: list[tuple[str, str]], method: str = "GET"):
    """The answer; afterwards the connection is in step, or the server has said that it closes it."""
    with wire.Connection(registry.address) as connection:
        answer = connection.request(method, path, headers)
        if wire.goes_on(answer):
            connection.request("GET", "/v2/").expect(200)
        return answer


@pytest.mark.parametrize("wanted", WHOLE_OR_416, ids=lambda wanted: wanted[:30])
def test_what_is_not_one_satisfiable_range(registry, blob, wanted):
    answer = ask(registry, blob, [("Range", wanted)])
    assert answer.status in STATUSES - {206}
    assert len(answer.body) <= SIZE + MORE_THAN_THE_BLOB
    assert answer.status != 200 or answer.body == DATA
    if answer.status == 416:
        assert answer.headers["Content-Range"] in (f"bytes */{SIZE}", None)


@pytest.mark.parametrize(("wanted", "span"), MEANT, ids=[wanted[:30] for wanted, _ in MEANT])
def test_large_numbers_are_clamped(registry, blob, wanted, span):
    answer = ask(registry, blob, [("Range", wanted)])
    assert answer.status in (206, 200)
    if answer.status == 206:
        assert answer.body == DATA[span[0] : span[1] + 1]
        assert answer.headers["Content-Range"] == f"bytes {span[0]}-{span[1]}/{SIZE}"
    else:
        assert answer.body == DATA


@pytest.mark.parametrize("lines", [["bytes=0-9", "bytes=20-29"], ["bytes=0-9", "bytes=0-9"], ["bytes=0-"] * 90])
def test_several_lines(registry, blob, lines):
    answer = ask(registry, blob, [("Range", line) for line in lines])
    assert answer.status in STATUSES
    assert answer.status != 200 or answer.body == DATA
    assert len(answer.body) <= SIZE


@pytest.mark.parametrize(
    "condition", ["", "junk", '"', "*", 'W/"x"', "Mon, 23 Nov 2026 00:00:00 GMT", '"a", "b"', "\xff"]
)
def test_if_range_of_any_kind(registry, blob, condition):
    answer = ask(registry, blob, [("Range", "bytes=0-9"), ("If-Range", condition)])
    assert answer.status in (200, 206)
    assert answer.body == (DATA if answer.status == 200 else DATA[:10])


@pytest.mark.parametrize("condition", ["", "junk", '"', '"' * 500, ",", "W/", '"x",' * 500 + '"y"', "\xff", "**"])
def test_if_none_match_of_any_kind(registry, blob, condition):
    assert ask(registry, blob, [("If-None-Match", condition)]).expect(200).body == DATA


@pytest.mark.parametrize(
    "path", ["/v2/", "/v2/_catalog", "/v2/ranges/none/manifests/latest", "/healthz", "/v2/ranges/app/blobs/uploads/"]
)
def test_where_ranges_mean_nothing(registry, blob, path):
    plain, ranged = ask(registry, path, []), ask(registry, path, [("Range", "bytes=0-0")])
    assert ranged.status in (plain.status, 206, 416)


def test_head_with_many_ranges(registry, blob):
    answer = ask(registry, blob, [("Range", "bytes=" + ",".join(["0-"] * 1_000))], "HEAD")
    assert answer.status in STATUSES and answer.body == b""


def test_a_blob_read_in_pieces_is_the_blob(registry, blob):
    with Client(registry.address) as client:
        pieces = [
            client.get(blob, {"Range": f"bytes={start}-{start + 99_999}"}).expect(206).body
            for start in range(0, SIZE, 100_000)
        ]
    assert digest_of(b"".join(pieces)) == digest_of(DATA)
