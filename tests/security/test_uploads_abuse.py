"""Uploads against the rules (security H8, S21): order, ownership, races, limits; what was promised stays, nothing else
appears.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol import wire
from tests.protocol.refusal import refused
from tests.security import state
from tests.security.state import Unchanged
from tests.support.http import OCTETS, Client, digest_of, with_query

RANGE = ((400, 416), ("BLOB_UPLOAD_INVALID", "SIZE_INVALID"))
REFUSED = {
    "order": ((416,), ("BLOB_UPLOAD_INVALID",)),
    "range": RANGE,
    "digest": ((400,), ("DIGEST_INVALID", "UNSUPPORTED")),
    "wrong digest": ((400,), ("DIGEST_INVALID",)),
    "unknown upload": ((404,), ("BLOB_UPLOAD_UNKNOWN",)),
    "lost the race": ((404, 409, 416, 400), ("BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID")),
    "too many": ((429,), ("TOOMANYREQUESTS",)),
}
DATA = os.urandom(1_000)
# Content-Range of a chunk of ten bytes that is to follow the first ten.
BAD_RANGES = {
    "overlap": "5-14",
    "repeat": "0-9",
    "gap": "11-20",
    "far away": "1000000-1000009",
    "reversed": "19-10",
    "open end": "10-",
    "open start": "-19",
    "negative": "-10--1",
    "minus zero": "-0-9",
    "letters": "a-b",
    "hexadecimal": "0xa-0x13",
    "plus": "+10-19",
    "two": "10-19,20-29",
    "units as in Range": "bytes=10-19",
    "units twice": "bytes bytes 10-19",
    "underscore": "1_0-1_9",
    "beyond 2^63": "9223372036854775808-9223372036854775817",
    "beyond 2^64": "18446744073709551626-18446744073709551635",
    "five thousand digits": "9" * 5_000 + "-" + "9" * 5_000,
    "full-width digits": "\xef\xbc\x91\xef\xbc\x90-19",
    "too short": "10-18",
    "too long": "10-20",
    "huge": "10-99999999999",
    "nothing": "",
    "star": "*",
    "unsatisfied": "bytes */20",
}


def patch(client: Client, location: str, data: bytes, span: str):
    return client.request("PATCH", location, {"Content-Type": OCTETS, "Content-Range": span}, data)


@pytest.fixture
def begun(client):
    """The location of an upload that has the first ten bytes of DATA."""
    location = client.start_upload("abuse/app")
    return patch(client, location, DATA[:10], "0-9").expect(202).location


def finish(client: Client, location: str, have: int = 10) -> None:
    """The rest of DATA brings the upload to its end: nothing before has damaged it."""
    status = client.get(location).expect(204)
    assert status.headers["Range"] == f"0-{have - 1}"
    location = patch(client, status.location, DATA[have:], f"{have}-{len(DATA) - 1}").expect(202).location
    client.request("PUT", with_query(location, digest=digest_of(DATA))).expect(201)
    assert client.pull_blob("abuse/app", digest_of(DATA)) == DATA


@pytest.mark.direct
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("name", BAD_RANGES)
def test_bad_ranges_change_nothing(registry, client, begun, name, method):
    with Unchanged(registry):
        path = with_query(begun, digest=digest_of(DATA[:20])) if method == "PUT" else begun
        refused(
            wire.request(registry.address, method, path, [("Content-Range", BAD_RANGES[name])], DATA[10:20]),
            REFUSED["range"],
        )
    finish(client, begun)


@pytest.mark.direct
@pytest.mark.parametrize("lines", [["10-19", "10-19"], ["10-19", "20-29"]])
def test_two_ranges_in_two_lines(registry, client, begun, lines):
    answer = wire.request(registry.address, "PATCH", begun, [("Content-Range", line) for line in lines], DATA[10:20])
    refused(answer, REFUSED["range"])
    finish(client, begun)


@pytest.mark.parametrize(
    "query",
    [
        "digest={good}&digest={good}",
        "digest={good}&digest={other}",
        "digest={other}&digest={good}",
        "digest=",
        "digest",
        "",
        "digest=sha256:",
        "digest=md5:{md5}",
        "digest=sha1:{sha1}",
        "digest=sha256:{upper}",
        "digest=SHA256:{hex}",
        "digest=sha256%3A{hex}%0A",
        "digest=sha512:{hex}",
        "digest={hex}",
        "Digest={good}",
        "digest[]={good}",
        "digest={good}%00",
        "digest=%20{good}",
    ],
)
def test_digest_parameters(registry, query):
    content = os.urandom(100)
    good = digest_of(content)
    values = {
        "good": good,
        "other": digest_of(b"other"),
        "hex": good[7:],
        "upper": good[7:].upper(),
        "md5": "0" * 32,
        "sha1": "0" * 40,
    }
    with Client(registry.address) as client:
        location = client.start_upload("abuse/app")
        path = location + ("&" if "?" in location else "?") + query.format(**values)
        refused(client.request("PUT", path, {}, content), REFUSED["digest"])
        client.get(f"/v2/abuse/app/blobs/{good}").expect(404)
        if "Digest" not in query and query not in ("", "digest[]={good}"):
            answer = client.request("POST", "/v2/abuse/app/blobs/uploads/?" + query.format(**values), {}, content)
            refused(answer, REFUSED["digest"])
        client.get(f"/v2/abuse/app/blobs/{good}").expect(404)
        client.delete(location).expect(204, 404)


def test_a_cut_upload_commits_nothing(registry, client):
    """The digest is that of the bytes which did arrive: a body that ends early is no body."""
    content = os.urandom(5_000)
    location = client.start_upload("abuse/app")
    for framing in ([("Content-Length", "10000")], [("Transfer-Encoding", "chunked")]):
        with wire.Connection(registry.address) as connection:
            sent = content if framing[0][0] == "Content-Length" else wire.chunk(content)
            connection.send(connection.head("PUT", with_query(location, digest=digest_of(content)), framing) + sent)
        time.sleep(0.3)
        client.get(f"/v2/abuse/app/blobs/{digest_of(content)}").expect(404)
    with wire.Connection(registry.address) as connection:
        connection.send(
            connection.head(
                "POST", f"/v2/abuse/app/blobs/uploads/?digest={digest_of(content)}", [("Content-Length", "10000")]
            )
            + content
        )
    time.sleep(0.3)
    client.get(f"/v2/abuse/app/blobs/{digest_of(content)}").expect(404)


def at_once(count: int, action) -> list:
    """The results of `count` calls that start together."""
    barrier = threading.Barrier(count)

    def begin(number: int):
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


@pytest.mark.database
@pytest.mark.parametrize("turn", range(5))
def test_of_parallel_chunks_one_wins(registry, client, turn):
    chunks = [os.urandom(200_000) for _ in range(4)]
    location = client.start_upload("abuse/race")

    def send(number: int):
        with Client(registry.address) as own:
            return patch(own, location, chunks[number], "0-199999")

    answers = at_once(4, send)
    winners = [number for number, answer in enumerate(answers) if answer.status == 202]
    assert len(winners) == 1, [answer.status for answer in answers]
    for number, answer in enumerate(answers):
        if number not in winners:
            refused(answer, REFUSED["lost the race"])
    digest = digest_of(chunks[winners[0]])
    status = client.get(location).expect(204)
    assert status.headers["Range"] == "0-199999"
    client.request("PUT", with_query(status.location, digest=digest)).expect(201)
    assert client.pull_blob("abuse/race", digest) == chunks[winners[0]]


@pytest.mark.database
def test_a_second_writer_does_not_disturb_the_first(registry, client):
    content = os.urandom(100_000)
    location = client.start_upload("abuse/race")
    with wire.Connection(registry.address) as slow:
        slow.send(
            slow.head("PATCH", location, [("Content-Length", "100000"), ("Content-Range", "0-99999")])
            + content[:50_000]
        )
        time.sleep(0.3)
        answers = at_once(
            4, lambda _: wire.request(registry.address, "PATCH", location, [("Content-Range", "0-9")], bytes(10))
        )
        for answer in answers:
            refused(answer, REFUSED["lost the race"])
        slow.send(content[50_000:])
        slow.reply("PATCH").expect(202)
    client.request("PUT", with_query(location, digest=digest_of(content))).expect(201)
    assert client.pull_blob("abuse/race", digest_of(content)) == content


@pytest.mark.database
@pytest.mark.parametrize("turn", range(3))
def test_of_parallel_puts_one_wins(registry, client, turn):
    content = os.urandom(50_000)
    location = client.start_upload("abuse/race")
    location = client.request("PATCH", location, {}, content).expect(202).location

    def send(_: int):
        with Client(registry.address) as own:
            return own.request("PUT", with_query(location, digest=digest_of(content)))

    answers = at_once(4, send)
    assert sorted(answer.status for answer in answers)[0] == 201
    assert sum(answer.status == 201 for answer in answers) == 1
    for answer in answers:
        if answer.status != 201:
            refused(answer, REFUSED["lost the race"])
    assert client.pull_blob("abuse/race", digest_of(content)) == content


@pytest.mark.database
@pytest.mark.parametrize("turn", range(3))
def test_a_cancel_in_the_middle_of_a_chunk(registry, client, turn):
    content = os.urandom(100_000)
    location = client.start_upload("abuse/race")
    with wire.Connection(registry.address) as slow:
        slow.send(slow.head("PATCH", location, [("Content-Length", "100000")]) + content[:50_000])
        time.sleep(0.2)
        cancelled = client.delete(location).expect(204, 409, 416)
        slow.send(content[50_000:])
        patched = slow.reply("PATCH").expect(202, 404, 416)
    assert (cancelled.status, patched.status) != (204, 202), "either the cancel or the chunk was refused"
    if cancelled.status == 204:
        refused(client.get(location), REFUSED["unknown upload"])
    else:
        client.delete(location).expect(204)


@pytest.mark.database
def test_a_put_in_the_middle_of_a_chunk(registry, client):
    content = os.urandom(100_000)
    location = client.start_upload("abuse/race")
    with wire.Connection(registry.address) as slow:
        slow.send(slow.head("PATCH", location, [("Content-Length", "100000")]) + content[:50_000])
        time.sleep(0.2)
        put = client.request("PUT", with_query(location, digest=digest_of(content[:50_000])))
        assert put.status in (201, 400, 404, 409, 416)
        slow.send(content[50_000:])
        patched = slow.reply("PATCH").expect(202, 404, 409, 416)
    if put.status == 201:
        assert patched.status != 202
        assert client.pull_blob("abuse/race", digest_of(content[:50_000])) == content[:50_000]
    client.get(f"/v2/abuse/race/blobs/{digest_of(content)}").expect(404)


@pytest.mark.database
@pytest.mark.parametrize("have", [0, 10_000])
def test_a_chunk_that_is_late_and_the_put(registry, client, have):
    """A chunk's header comes before the PUT that is to finish the upload, its bytes come after. One of the two is
    refused, and the blob is what was acknowledged: bytes that arrive late never touch it.
    """
    content, more = os.urandom(50_000), os.urandom(1_000)
    location = client.start_upload("abuse/late")
    if have:
        location = patch(client, location, content[:have], f"0-{have - 1}").expect(202).location
    with wire.Connection(registry.address) as late:
        late.send(late.head("PATCH", location, [("Content-Length", "1000")]))
        time.sleep(0.2)
        put = client.request("PUT", with_query(location, digest=digest_of(content)), {}, content[have:]).expect(
            201, 416
        )
        late.send(more)
        patched = late.reply("PATCH").expect(202, 404, 409, 416)
    assert (put.status == 201) != (patched.status == 202), (put.status, patched.status)
    if put.status != 201:
        content = content[:have] + more
        client.request("PUT", with_query(patched.location, digest=digest_of(content))).expect(201)
    assert client.pull_blob("abuse/late", digest_of(content)) == content


@pytest.mark.database
def test_a_chunk_that_is_late_and_another_chunk(registry, client):
    """The same with a chunk in the place of the PUT: what was acknowledged with 202 is what the digest is compared
    with.
    """
    content, more = os.urandom(50_000), os.urandom(1_000)
    location = client.start_upload("abuse/late")
    with wire.Connection(registry.address) as late:
        late.send(late.head("PATCH", location, [("Content-Length", "1000")]))
        time.sleep(0.2)
        first = client.request("PATCH", location, {}, content).expect(202, 416)
        late.send(more)
        patched = late.reply("PATCH").expect(202, 404, 409, 416)
    assert (first.status == 202) != (patched.status == 202), (first.status, patched.status)
    kept = content if first.status == 202 else more
    client.request("PUT", with_query(location, digest=digest_of(kept))).expect(201)
    assert client.pull_blob("abuse/late", digest_of(kept)) == kept


@pytest.mark.database
def test_a_late_chunk_leaves_nothing_behind_a_cancel(deploy, tmp_path):
    """What it wrote belongs to no upload any more: gone at once, or with the next collection."""
    with deploy(tmp_path / "data", gc_grace=0, gc_lease=0) as registry, Client(registry.address) as client:
        before = state.files(registry.root)
        location = client.start_upload("abuse/late")
        with wire.Connection(registry.address) as late:
            late.send(late.head("PATCH", location, [("Content-Length", "1000")]))
            time.sleep(0.2)
            client.delete(location).expect(204)
            late.send(os.urandom(1_000))
            late.reply("PATCH").expect(404, 409, 416)
        assert registry.prepare("gc", "--json").returncode == 0
        assert state.files(registry.root) == before


def test_after_the_end_there_is_nothing_to_continue(client):
    location = client.start_upload("abuse/app")
    client.request("PUT", with_query(location, digest=digest_of(b"end")), {}, b"end").expect(201)
    for method in ("PATCH", "PUT", "GET", "DELETE"):
        path = with_query(location, digest=digest_of(b"end")) if method == "PUT" else location
        refused(
            client.request(method, path, {}, b"end" if method in ("PATCH", "PUT") else None), REFUSED["unknown upload"]
        )
    assert client.pull_blob("abuse/app", digest_of(b"end")) == b"end"


def test_a_wrong_digest_leaves_no_blob_and_a_right_one_follows(client):
    location = client.start_upload("abuse/app")
    content = os.urandom(30)
    refused(client.request("PUT", with_query(location, digest=digest_of(b"no")), {}, content), REFUSED["wrong digest"])
    client.get(f"/v2/abuse/app/blobs/{digest_of(content)}").expect(404)
    client.get(f"/v2/abuse/app/blobs/{digest_of(b'no')}").expect(404)
    client.push_blob("abuse/app", content)


@pytest.mark.parametrize("other", ["abuse/other", "abuse", "abuse/app/deeper", "nowhere"])
def test_an_upload_belongs_to_its_repository(registry, client, begun, other):
    """security S21, S26: the id of another repository's upload is unknown here, to every verb."""
    foreign = begun.replace("/v2/abuse/app/", f"/v2/{other}/")
    with Unchanged(registry):
        for method, path, body in (
            ("GET", foreign, None),
            ("PATCH", foreign, b"x"),
            ("PUT", with_query(foreign, digest=digest_of(DATA[:10])), None),
            ("DELETE", foreign, None),
        ):
            refused(client.request(method, path, {}, body), REFUSED["unknown upload"])
    finish(client, begun)


def test_upload_ids_cannot_be_guessed(client):
    ids = []
    for _ in range(64):
        location = client.start_upload("abuse/ids")
        ids.append(location.partition("/uploads/")[2].partition("?")[0].replace("-", ""))
        client.delete(location).expect(204)
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    for place in range(32):
        # Of 64 random digits at one place, all alike would be a constant: a version nibble may be one, no more.
        assert len({each[place] for each in ids}) > 1 or place in (12, 16), f"digit {place} never changes"


@pytest.mark.parametrize("change", ["upper", "dashes", "shorter", "longer", "next"])
def test_ids_close_to_a_real_one(registry, client, begun, change):
    base, _, rest = begun.partition("/uploads/")
    name, _, query = rest.partition("?")
    made = {
        "upper": name.upper() if name.upper() != name else "F" * 32,
        "dashes": "-".join(name),
        "shorter": name[:-1],
        "longer": name + "0",
        "next": name[:-1] + ("0" if name[-1] != "0" else "1"),
    }[change]
    path = f"{base}/uploads/{made}" + (f"?{query}" if query else "")
    refused(client.get(path), REFUSED["unknown upload"])
    refused(client.delete(path), REFUSED["unknown upload"])
    finish(client, begun)


def test_open_uploads_have_a_limit(deploy, tmp_path):
    with deploy(tmp_path / "data", server_open_uploads=3) as registry, Client(registry.address) as client:
        locations = [client.start_upload(f"limit/app{number}") for number in range(3)]
        answer = client.request("POST", "/v2/limit/more/blobs/uploads/")
        refused(answer, REFUSED["too many"])
        assert int(answer.headers["Retry-After"]) > 0
        assert client.get(locations[0]).expect(204), "those that are open go on"
        client.delete(locations[0]).expect(204)
        location = client.start_upload("limit/more")
        client.request("PUT", with_query(location, digest=digest_of(b"x")), {}, b"x").expect(201)
        refused(fill(client), REFUSED["too many"])
        client.get("/v2/").expect(200)


def fill(client: Client):
    """Open uploads until one is refused."""
    while (answer := client.request("POST", "/v2/limit/fill/blobs/uploads/")).status == 202:
        pass
    return answer


@pytest.mark.database
def test_afterwards_all_is_in_order(registry, client):
    """`check` reads every row and every byte after all of the above."""
    client.get("/v2/").expect(200)
    done = registry.prepare("check", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["ok"], done.stdout + done.stderr
