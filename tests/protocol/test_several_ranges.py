"""Several ranges of a blob in one request: multipart/byteranges (RFC 9110 section 14), from files and from memory, over
plain connections and TLS.

What podman's zstd:chunked and stargz do: they fetch the parts of a layer that they lack.
"""

from __future__ import annotations

import email
import email.policy
import os
import random

import pytest

from tests.protocol.certificates import make_certificate, trusting
from tests.protocol.wire import Connection
from tests.security.test_slow import cpu_seconds
from tests.support.http import Client
from tests.support.server import Registry

pytestmark = pytest.mark.ways
OCTETS = "application/octet-stream"
LARGE, SMALL = os.urandom(3 << 20), os.urandom(20_000)


@pytest.fixture(scope="module", params=["large", "small"])
def blob(request, registry) -> tuple[str, bytes]:
    """(path, bytes) of a blob that is a file, and of one that is in the database."""
    data = LARGE if request.param == "large" else SMALL
    with Client(registry.address) as client:
        return f"/v2/several/app/blobs/{client.push_blob('several/app', data)}", data


def ask(connection: Connection, path: str, ranges: str, *more: tuple[str, str]):
    return connection.request("GET", path, [("Range", ranges), *more])


def parts(answer) -> list[tuple[str, bytes]]:
    """(Content-Range, bytes) of each part, read by somebody else's code."""
    assert answer.status == 206 and int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["Content-Range"] is None, "with several parts each has its own"
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.body, policy=email.policy.HTTP)
    assert message.get_content_type() == "multipart/byteranges" and not message.defects
    assert {part["Content-Type"] for part in message.iter_parts()} == {OCTETS}
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in message.iter_parts()]


def expected(data: bytes, *ranges: tuple[int, int]) -> list[tuple[str, bytes]]:
    return [(f"bytes {first}-{last}/{len(data)}", data[first : last + 1]) for first, last in ranges]


def test_each_range_is_a_part_in_the_order_of_the_request(registry, blob):
    path, data = blob
    with Connection(registry.address) as connection:
        found = ask(connection, path, "bytes=0-99, 5000-5099,-7,200-200")
        assert parts(found) == expected(data, (0, 99), (5000, 5099), (len(data) - 7, len(data) - 1), (200, 200))
        assert found.headers["Docker-Content-Digest"] in path and found.headers["Accept-Ranges"] == "bytes"
        assert parts(ask(connection, path, "bytes=5000-5099,0-99")) == expected(data, (5000, 5099), (0, 99))
        connection.request("GET", "/v2/").expect(200)


def test_long_parts_are_whole(registry):
    with Client(registry.address) as client:
        path = f"/v2/several/app/blobs/{client.push_blob('several/app', LARGE)}"
    with Connection(registry.address) as connection:
        assert parts(ask(connection, path, "bytes=1-1500000,1500002-2999999")) == expected(
            LARGE, (1, 1500000), (1500002, 2999999)
        )
        connection.request("GET", "/v2/").expect(200)


@pytest.mark.alone
@pytest.mark.edge
@pytest.mark.parametrize("way", ["fast", "ordinary", "tls"])
def test_many_short_ranges_take_little_of_the_processor(tmp_path, way):
    """Each was a way through a thread of its own: 0.25 s for a request of a thousand ranges."""
    certificate, key = make_certificate(tmp_path, "registry")
    tls = {"server_tls_certificate": certificate, "server_tls_key": key} if way == "tls" else {}
    context = trusting(certificate) if tls else None
    ranges = [(at, at) for at in range(0, 480 * 6_000, 6_000)]
    with Registry(tmp_path / "data", workers=1, server_fast_paths=way != "ordinary", **tls) as registry:
        with Client(registry.address, context=context) as client:
            path = f"/v2/several/app/blobs/{client.push_blob('several/app', LARGE)}"
        with Connection(registry.address, tls=context) as connection:
            text = "bytes=" + ",".join(f"{first}-{last}" for first, last in ranges)
            first = ask(connection, path, text)
            assert parts(first) == expected(LARGE, *ranges)
            began = cpu_seconds(registry.workers())
            for _ in range(20):
                assert ask(connection, path, text).body == first.body
            used = cpu_seconds(registry.workers()) - began
    assert used < 1.2, f"{used:.2f} s"


def test_what_overlaps_is_one_and_what_touches_is_not(registry, blob):
    """podman counts the parts: for ranges that only touch it wants as many as it asked for."""
    path, data = blob
    with Connection(registry.address) as connection:
        joined = ask(connection, path, "bytes=0-99,50-149").expect(206)
        assert (joined.headers["Content-Range"], joined.body) == expected(data, (0, 149))[0]
        assert parts(ask(connection, path, "bytes=0-99,100-199")) == expected(data, (0, 99), (100, 199))
        assert parts(ask(connection, path, "bytes=900-999,0-99,950-1100")) == expected(data, (900, 1100), (0, 99))


def test_what_lies_outside_is_left_out(registry, blob):
    path, data = blob
    with Connection(registry.address) as connection:
        single = ask(connection, path, f"bytes={len(data)}-,0-99").expect(206)
        assert (single.headers["Content-Range"], single.headers["Content-Type"], single.body) == (
            f"bytes 0-99/{len(data)}",
            OCTETS,
            data[:100],
        )
        refused = ask(connection, path, f"bytes={len(data)}-,{len(data) + 5}-").expect(416)
        assert refused.headers["Content-Range"] == f"bytes */{len(data)}"


def test_a_thousand_ranges_are_answered_and_one_more_brings_the_whole(registry, blob):
    path, data = blob
    ranges = [(first, first + 1) for first in range(0, 19_000, 19)][:1000]
    assert len(ranges) == 1000
    text = ",".join(f"{first}-{last}" for first, last in ranges)
    with Connection(registry.address) as connection:
        assert parts(ask(connection, path, "bytes=" + text)) == expected(data, *ranges)
        assert ask(connection, path, f"bytes={text},19995-19996").expect(200).body == data


def test_the_ranges_of_a_large_blob_fit_into_the_head(registry):
    """22 characters each: more than the limit on a head without them."""
    with Connection(registry.address) as connection:
        text = ",".join(f"{first}-{first + 9}" for first in range(10**10, 10**10 + 20_000, 20))
        connection.request("GET", "/v2/", [("Range", "bytes=" + text)]).expect(200)


def test_conditions(registry, blob):
    path, data = blob
    digest = path.rpartition("/")[2]
    with Connection(registry.address) as connection:
        assert len(parts(ask(connection, path, "bytes=0-1,4-5", ("If-Range", f'"{digest}"')))) == 2
        assert ask(connection, path, "bytes=0-1,4-5", ("If-Range", '"other"')).expect(200).body == data
        ask(connection, path, "bytes=0-1,4-5", ("If-None-Match", f'"{digest}"')).expect(304)
        head = connection.request("HEAD", path, [("Range", "bytes=0-1,4-5")]).expect(200)
        assert head.headers["Content-Length"] == str(len(data))


@pytest.mark.parametrize("wanted", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=0-0,5-9"])
def test_of_an_empty_blob_every_range_is_the_whole(registry, client, wanted):
    path = f"/v2/several/app/blobs/{client.push_blob('several/app', b'')}"
    answer = client.get(path, {"Range": wanted}).expect(200)
    assert answer.body == b"" and answer.headers["Content-Length"] == "0"


def test_random_ranges_are_the_bytes_of_the_blob(registry, blob):
    path, data = blob
    generator = random.Random(7)
    with Connection(registry.address) as connection:
        for _ in range(30):
            starts = sorted(generator.sample(range(0, len(data) - 50, 60), generator.randrange(2, 40)))
            ranges = [(start, start + generator.randrange(50)) for start in starts]
            generator.shuffle(ranges)
            assert parts(
                ask(connection, path, "bytes=" + ",".join(f"{first}-{last}" for first, last in ranges))
            ) == expected(data, *ranges)


@pytest.mark.edge
@pytest.mark.parametrize("fast", [True, False])
def test_over_tls(tmp_path, fast):
    certificate, key = make_certificate(tmp_path, "registry")
    context = trusting(certificate)
    with Registry(
        tmp_path / "data", server_tls_certificate=certificate, server_tls_key=key, server_fast_paths=fast
    ) as registry:
        with Client(registry.address, context=context) as client:
            path = f"/v2/several/app/blobs/{client.push_blob('several/app', LARGE)}"
        with Connection(registry.address, tls=context) as connection:
            for ranges in (
                [(5, 1_000_000), (0, 2), (1_200_000, 2_900_000)],
                [(at, at + 99) for at in range(0, 2_000_000, 2_000)],
            ):
                text = ",".join(f"{first}-{last}" for first, last in ranges)
                assert parts(ask(connection, path, "bytes=" + text)) == expected(LARGE, *ranges)
            connection.request("GET", "/v2/").expect(200)
