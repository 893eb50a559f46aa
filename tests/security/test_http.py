"""HTTP itself under attack (security H1-H3, A9): framing that two readers could read differently, sizes, slowness.

Framing is tried directly and through a real nginx: whatever nginx passes on, the registry counts the same requests.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.protocol import wire
from tests.protocol.refusal import refused
from tests.security.state import Unchanged
from tests.support.http import OCI_INDEX, Client, raw
from tests.support.nginx import Nginx
from tests.support.server import Registry, registry_pyz

pytestmark = pytest.mark.ways
ABSENT = "sha256:" + "0" * 64
REFUSED = {
    "method": ((405, 501), ("UNSUPPORTED",)),
    "uri": ((414,), ("UNSUPPORTED",)),
    "coding": ((415,), ("UNSUPPORTED",)),
    "unknown upload": ((404,), ("BLOB_UPLOAD_UNKNOWN",)),
    "name": ((400,), ("NAME_INVALID",)),
    "large": ((413,), ("SIZE_INVALID", "MANIFEST_INVALID")),
}
HEADERS_TOO_LARGE = {400, 431}
ROUTED = (404, 405)
# What the first request is, each taken apart differently: no such method, refused unread, refused when read, no body
# expected.
POST = "POST /v2/first-TOKEN/blobs/uploads/x"
FIRST = [
    POST,
    f"PATCH /v2/first-TOKEN/blobs/uploads/{'0' * 32}",
    "PUT /v2/first-TOKEN/manifests/x",
    "GET /v2/first-TOKEN/tags/list",
]


class Shape(NamedTuple):
    """A request with a second one behind it. `hidden`: the second is inside the first's body or behind a broken head,
    so nobody may serve it. `statuses`: how the first may be answered.
    """

    data: bytes
    hidden: bool
    statuses: tuple[int, ...]


def shape(
    head: str, body: str = "", hidden: bool = True, statuses: tuple[int, ...] = (400,), line: str = POST + " HTTP/1.1"
) -> Shape:
    """The head's lines after the request line and Host; @ stands for CR LF, SECOND for a whole second request."""
    second = "GET /v2/second-TOKEN/tags/list HTTP/1.1@Host: HOST@@"
    text = f"{line}@Host: HOST@{head}@@{body or second}".replace("SECOND", second).replace("@", "\r\n")
    return Shape(text.encode("latin-1"), hidden, statuses)


INSIDE = "SECOND"
SHAPES = {
    "two in a row": shape("Content-Length: 5", "hello" + INSIDE, hidden=False, statuses=ROUTED),
    "second inside the body": shape("Content-Length: 200", INSIDE + "x" * 200, statuses=ROUTED),
    "length and chunked": shape("Content-Length: 6@Transfer-Encoding: chunked", "0@@" + INSIDE),
    "chunked and length": shape("Transfer-Encoding: chunked@Content-Length: 4", "5c@" + INSIDE),
    "another coding": shape("Transfer-Encoding: gzip", INSIDE, statuses=(400, 501)),
    "coding then chunked": shape("Transfer-Encoding: gzip, chunked", "0@@" + INSIDE, statuses=(400, 501)),
    "chunked then identity": shape("Transfer-Encoding: chunked, identity", "0@@" + INSIDE, statuses=(400, 501)),
    "chunked twice": shape("Transfer-Encoding: chunked, chunked", "0@@" + INSIDE, statuses=(400, 501)),
    "chunked in two lines": shape(
        "Transfer-Encoding: chunked@Transfer-Encoding: chunked", "0@@" + INSIDE, statuses=(400, 501)
    ),
    "identity": shape("Transfer-Encoding: identity@Content-Length: 3", "abc" + INSIDE, statuses=(400, 501)),
    "xchunked": shape("Transfer-Encoding: xchunked", "0@@" + INSIDE, statuses=(400, 501)),
    "chunked after a tab": shape("Transfer-Encoding:\tchunked@Content-Length: 4", "0@@" + INSIDE),
    "chunked behind a vertical tab": shape("Transfer-Encoding: \x0bchunked", "0@@" + INSIDE, statuses=(400, 501)),
    "chunked in quotes": shape('Transfer-Encoding: "chunked"', "0@@" + INSIDE, statuses=(400, 501)),
    "empty coding": shape("Transfer-Encoding:@Content-Length: 3", "abc" + INSIDE, statuses=(400, 501)),
    "space before the colon": shape("Transfer-Encoding : chunked", "0@@" + INSIDE),
    "space before the length's colon": shape("Content-Length : 3", "abc" + INSIDE),
    "folded coding": shape("X: y@ Transfer-Encoding: chunked", "0@@" + INSIDE),
    "folded value": shape("Transfer-Encoding:@ chunked", "0@@" + INSIDE),
    "line that starts with a space": shape(" Content-Length: 3", "abc" + INSIDE),
    "line without a colon": shape("Content-Length", INSIDE),
    "length with plus": shape("Content-Length: +5", "hello" + INSIDE),
    "length with underscore": shape("Content-Length: 1_0", "0123456789" + INSIDE),
    "negative length": shape("Content-Length: -1", INSIDE),
    "length in hex": shape("Content-Length: 0x5", "hello" + INSIDE),
    "length with a fraction": shape("Content-Length: 5.0", "hello" + INSIDE),
    "empty length": shape("Content-Length:", INSIDE),
    "full-width length": shape("Content-Length: \xef\xbc\x95", "hello" + INSIDE),
    "length of 30 digits": shape("Content-Length: " + "9" * 30, "hello", statuses=(400, 413, 404, 405)),
    "two different lengths": shape("Content-Length: 5@Content-Length: 6", "hello" + INSIDE),
    "two lengths in a list": shape("Content-Length: 5, 6", "hello" + INSIDE),
    "the same length twice in a list": shape(
        "Content-Length: 5,5", "hello" + INSIDE, hidden=False, statuses=(400, *ROUTED)
    ),
    "the same length in two lines": shape(
        "Content-Length: 5@Content-Length: 5", "hello" + INSIDE, hidden=False, statuses=(400, *ROUTED)
    ),
    "length with zeros": shape("Content-Length: 0000005", "hello" + INSIDE, hidden=False, statuses=(400, *ROUTED)),
    "length of many zeros": shape("Content-Length: 000", INSIDE, hidden=False, statuses=(400, *ROUTED)),
    "NUL in a header": shape("X: a\0b@Content-Length: 5", "hello" + INSIDE),
    "bare CR in a header": shape("X: a\rTransfer-Encoding: chunked@Content-Length: 5", "hello" + INSIDE),
    "bare LF in a header": shape("X: a\nContent-Length: 5", "hello" + INSIDE, hidden=False, statuses=(400, *ROUTED)),
    "chunk size in hex notation": shape(
        "Transfer-Encoding: chunked", "0x5@hello@0@@" + INSIDE, statuses=(400, *ROUTED)
    ),
    "chunk size with plus": shape("Transfer-Encoding: chunked", "+5@hello@0@@" + INSIDE, statuses=(400, *ROUTED)),
    "negative chunk": shape("Transfer-Encoding: chunked", "-5@hello@0@@" + INSIDE, statuses=(400, *ROUTED)),
    "chunk size with underscore": shape(
        "Transfer-Encoding: chunked", "1_0@0123456789abcdef@0@@" + INSIDE, statuses=(400, *ROUTED)
    ),
    "chunk size with a space": shape(
        "Transfer-Encoding: chunked", "5 @hello@0@@" + INSIDE, hidden=False, statuses=(400, *ROUTED)
    ),
    "chunk size without end": shape("Transfer-Encoding: chunked", "f" * 40 + "@hello", statuses=(400, 404, 405, 413)),
    "empty chunk size": shape("Transfer-Encoding: chunked", "@hello@0@@" + INSIDE, statuses=(400, *ROUTED)),
    "chunk longer than its size": shape("Transfer-Encoding: chunked", "3@hello@0@@" + INSIDE, statuses=(400, *ROUTED)),
    "chunk ended by LF": shape(
        "Transfer-Encoding: chunked", "5\nhello\n0\n\n" + INSIDE, hidden=False, statuses=(400, *ROUTED)
    ),
    "chunk extension": shape(
        "Transfer-Encoding: chunked", "5;a=b@hello@0@@" + INSIDE, hidden=False, statuses=(400, *ROUTED)
    ),
    "chunk extension with LF": shape(
        "Transfer-Encoding: chunked", "5;a\n@hello@0@@" + INSIDE, hidden=False, statuses=(400, *ROUTED)
    ),
    "trailer": shape("Transfer-Encoding: chunked", "5@hello@0@X: y@@" + INSIDE, hidden=False, statuses=(400, *ROUTED)),
    "trailer with a length": shape(
        "Transfer-Encoding: chunked", "5@hello@0@Content-Length: 300@@" + INSIDE, hidden=False, statuses=(400, *ROUTED)
    ),
    "behind a close": shape("Content-Length: 5@Connection: close", "hello" + INSIDE, statuses=ROUTED),
    "behind a close with chunks": shape(
        "Transfer-Encoding: chunked@Connection: close", "5@hello@0@@" + INSIDE, statuses=ROUTED
    ),
    "behind HTTP/1.0": shape("Content-Length: 5", "hello" + INSIDE, line=POST + " HTTP/1.0", statuses=ROUTED),
    "chunked in HTTP/1.0": shape(
        "Transfer-Encoding: chunked", "0@@" + INSIDE, line=POST + " HTTP/1.0", statuses=(400, *ROUTED)
    ),
    "no version": shape("X: y", INSIDE, line="GET /v2/first-TOKEN/tags/list"),
    "version 2.0": shape("X: y", INSIDE, line="GET /v2/first-TOKEN/tags/list HTTP/2.0", statuses=(400, 505)),
    "version 1.10": shape("X: y", INSIDE, line="GET /v2/first-TOKEN/tags/list HTTP/1.10", statuses=(400, 505)),
    "two spaces in the request line": shape("X: y", INSIDE, line="GET  /v2/first-TOKEN/tags/list HTTP/1.1"),
    "tab in the request line": shape("X: y", INSIDE, line="GET\t/v2/first-TOKEN/tags/list HTTP/1.1"),
    "space in the path": shape("X: y", INSIDE, line="GET /v2/first-TOKEN/a b/tags/list HTTP/1.1"),
    "GET with a body": shape(
        "Content-Length: 200", INSIDE + "x" * 200, line="GET /v2/first-TOKEN/tags/list HTTP/1.1", statuses=(400, 404)
    ),
    "HTTP/2 preface": Shape(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", True, (400, 505)),
    "TLS hello": Shape(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", True, (400,)),
    "nothing but line ends": Shape(b"\r\n\r\n\r\n\r\n", True, (400,)),
}
HOSTS = {
    "none": (b"", {400}),
    "two": (b"Host: a\r\nHost: b\r\n", {400}),
    "two alike": (b"Host: a\r\nHost: a\r\n", {400}),
    "markup": (b"Host: <script>alert(1)</script>\r\n", {400}),
    "a space": (b"Host: a b\r\n", {400}),
    "a path": (b"Host: evil/../x\r\n", {400}),
    "userinfo": (b"Host: user@evil\r\n", {400, 200}),
    "a list": (b"Host: a, b\r\n", {400}),
    "NUL": (b"Host: a\0b\r\n", {400}),
    "empty": (b"Host:\r\n", {200, 400}),
    "foreign": (b"Host: evil.example\r\n", {200}),
    "port of text": (b"Host: a:b\r\n", {200, 400}),
}
_tokens = itertools.count()


def with_token(data: bytes, address: str) -> tuple[bytes, str]:
    token = f"t{next(_tokens)}x"
    return data.replace(b"TOKEN", token.encode()).replace(b"HOST", address.encode()), token


def counted(registry: Registry, token: str) -> list[str]:
    """The access lines of one token's requests."""
    return [line for line in registry.log.read_text(errors="replace").splitlines() if f"-{token}/" in line]


def settled(look) -> list[str]:
    """What `look` finds, once it finds the same for a third of a second: the access log is written a little later."""
    seen, since = look(), time.monotonic()
    while time.monotonic() - since < 0.35:
        time.sleep(0.05)
        now = look()
        if now != seen:
            seen, since = now, time.monotonic()
    return seen


def try_direct(registry: Registry, name: str, first: str) -> None:
    data, token = with_token(SHAPES[name].data.replace(POST.encode(), first.encode()), registry.address)
    answers = wire.exchange(registry.address, data, end=False, timeout=1)
    second = [line for line in settled(lambda: counted(registry, token)) if f"second-{token}/" in line]
    assert answers, f"{name}: no answer"
    # A body that is read and is no manifest is a 400 as well.
    allowed = {*SHAPES[name].statuses, 400} if first.startswith("PUT") else SHAPES[name].statuses
    assert answers[0].status in allowed, f"{name}: {answers}"
    if SHAPES[name].hidden:
        assert second == [], f"{name}: the hidden request was served"
    if wire.goes_on(answers[0]):
        assert (len(answers), len(second)) == ((1, 0) if SHAPES[name].hidden else (2, 1)), f"{name}: {answers}"
    else:
        assert second == [], f"{name}: served after the connection's end was announced"
        assert all(answer.status == 400 and not answer.body for answer in answers[1:]), f"{name}: {answers}"


@pytest.mark.edge
@pytest.mark.parametrize("first", FIRST, ids=lambda first: first.partition(" ")[0])
def test_framing_directly(registry, first):
    with Unchanged(registry), ThreadPoolExecutor(16) as pool:
        failures = [done.exception() for done in [pool.submit(try_direct, registry, name, first) for name in SHAPES]]
    assert not any(failures), "\n".join(str(failure)[:300] for failure in failures if failure)
    Client(registry.address).get("/v2/").expect(200)


def try_through(nginx: Nginx, registry: Registry, name: str) -> None:
    data, token = with_token(SHAPES[name].data, nginx.address)
    raw(nginx.address, data, timeout=1)
    passed, lines = settled(lambda: (mine(nginx, token), counted(registry, token)))
    if len(passed) != len(lines):
        # Each writes its log when it is done with the request, nginx only once it has given up on the client too.
        time.sleep(3)
        passed, lines = mine(nginx, token), counted(registry, token)
    assert len(passed) == len(lines), f"{name}: nginx passed {passed} on, the registry counted {lines}"
    assert not (SHAPES[name].hidden and any("second-" in line for line in lines)) or any(
        "second-" in line for line in passed
    )


def mine(nginx: Nginx, token: str) -> list[str]:
    return [line for line in nginx.forwarded() if f"-{token}/" in line]


@pytest.mark.edge
@pytest.mark.parametrize("buffering", [False, True], ids=["streaming", "buffering"])
def test_framing_through_nginx(registry, tmp_path, buffering):
    with Nginx(tmp_path / "nginx", registry.address, buffering=buffering) as nginx, ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(try_through, nginx, registry, name) for name in SHAPES]:
            done.result()


@pytest.mark.parametrize("name", HOSTS)
def test_hosts(registry, name):
    host, statuses = HOSTS[name]
    for path in (b"/v2/", b"/v2/none/manifests/latest"):
        # The sending side stays open: a client that ends it while the database is asked counts as gone.
        answers = wire.exchange(
            registry.address, b"GET %s HTTP/1.1\r\n%sConnection: close\r\n\r\n" % (path, host), end=False
        )
        assert answers and answers[0].status in (statuses if path == b"/v2/" else {400, 404})
        assert b"<script>" not in answers[0].body and "evil" not in str(answers[0].headers)


def headers_of(count: int, size: int = 10) -> list[tuple[str, str]]:
    return [(f"X-{number}", "v" * size) for number in range(count)]


def test_headers_within_the_limit(registry):
    for headers in (headers_of(99), headers_of(1, 15_000), headers_of(15, 1_000)):
        wire.request(registry.address, "GET", "/v2/", headers).expect(200)


@pytest.mark.parametrize(
    ("count", "size"),
    [(101, 10), (6_000, 1), (1, 17_000), (20, 1_000), (1, 60_000), (1, 100_000), (40, 100_000), (1_000, 0)],
)
def test_headers_beyond_the_limit(registry, count, size):
    with wire.Connection(registry.address) as connection:
        try:
            answer = connection.request("GET", "/v2/", headers_of(count, size))
        except wire.Closed:
            assert count * size > 65_536, "only endless headers are cut off without a word"
            return
        assert answer.status in HEADERS_TOO_LARGE
        assert answer.json()["errors"][0]["code"] == "UNSUPPORTED"


def test_the_url_limit(registry):
    base = "/v2/none/tags/list?last="
    wire.request(registry.address, "GET", base + "x" * (8_000 - len(base))).expect(404)
    for size in (8_200, 9_000, 12_000):
        refused(wire.request(registry.address, "GET", base + "x" * (size - len(base))), REFUSED["uri"])
    wire.request(registry.address, "GET", base + "x" * 40_000).expect(414, 431, 400)


@pytest.mark.parametrize(
    "method", ["TRACE", "OPTIONS", "PROPFIND", "BREW", "get", "Get", "DEBUG", "TRACK", "MOVE", "X" * 30]
)
def test_unknown_methods(registry, method):
    for path in ("/v2/", "/v2/none/tags/list", f"/v2/none/blobs/{ABSENT}", "/v2/none/blobs/uploads/", "/healthz"):
        answer = wire.request(registry.address, method, path, [("X-Secret", "canary-value")])
        refused(answer, REFUSED["method"])
        assert b"canary-value" not in answer.body


@pytest.mark.parametrize("target", ["127.0.0.1:22", "/v2/", "http://127.0.0.1:1/"])
def test_connect_is_no_proxy(registry, target):
    assert wire.request(registry.address, "CONNECT", target).status in (400, 404, 405, 501)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_no_header_changes_the_method(registry, header):
    with Client(registry.address) as client:
        client.push_manifest("override/app", "latest", b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)
        client.get("/v2/override/app/manifests/latest", {header: "DELETE"}).expect(200)
        client.get("/v2/override/app/manifests/latest?_method=DELETE").expect(200)
        client.get("/v2/override/app/manifests/latest").expect(200)


@pytest.mark.parametrize(
    "header", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Accel-Redirect"]
)
def test_no_header_changes_the_path(registry, header):
    assert wire.request(registry.address, "GET", "/v2/", [(header, "/v2/none/tags/list")]).expect(200).body in (
        b"{}",
        b"{}\n",
        b"",
    )


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.3"])
def test_no_upgrade(registry, upgrade):
    headers = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", upgrade), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    with wire.Connection(registry.address) as connection:
        connection.request("GET", "/v2/", headers).expect(200)
        connection.request("GET", "/v2/").expect(200)


@pytest.mark.parametrize(
    "query",
    [
        "ns=a%0d%0aX-Injected:%201",
        "ns=%0aX-Injected:1",
        "n=1%0d%0aX-Injected:1",
        "last=a%0d%0aX-Injected:1",
        "artifactType=a%0d%0aX-Injected:%201",
    ],
)
def test_no_answer_is_split(registry, query):
    for path in ("/v2/", "/v2/_catalog", f"/v2/none/referrers/{ABSENT}", "/v2/none/manifests/latest"):
        answer = wire.request(registry.address, "GET", f"{path}?{query}")
        assert "X-Injected" not in answer.headers


def test_the_pyz_may_be_replaced_while_it_runs(tmp_path):
    """security S38: everything is imported at the start; what a request needs first does not come from the file."""
    copy = tmp_path / "registry.pyz"
    shutil.copy(registry_pyz(), copy)
    # Registry calls PREFIX PYTHON PYZ serve: take the copy in the place of PYZ.
    with_copy = ["sh", "-c", 'python=$1; shift 2; exec "$python" "$0" "$@"', str(copy)]
    registry = Registry(tmp_path / "data", prefix=with_copy)
    with registry, Client(registry.address) as client:
        copy.write_bytes(b"not a program any more")
        client.push_image("swap/app", "latest")
        client.get("/v2/swap/app/manifests/none").expect(404)
        client.get("/v2/_catalog?n=x").expect(400)
        client.delete("/v2/swap/app/manifests/latest").expect(202)
        os.unlink(copy)
        client.request("PATCH", client.start_upload("swap/app"), {}, iter([b"a", b"b"])).expect(202)
        refused(
            client.request("PUT", "/v2/swap/app/manifests/x", {"Content-Type": OCI_INDEX}, bytes((4 << 20) + 1)),
            REFUSED["large"],
        )
