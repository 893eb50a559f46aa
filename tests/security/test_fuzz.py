"""Made-up requests (security H10).

Whatever comes: no 5xx, no answer takes long, the server lives, and what is refused changes nothing.

An ordinary run has few examples, the same ones each time. They also hold constants of the modules that are loaded: run
beside other tests, there are others.
"""

from __future__ import annotations

import json
import re
import time
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.protocol import wire
from tests.protocol.refusal import LEAKS
from tests.security import state
from tests.support.http import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Client, digest_of, raw
from tests.support.rounds import LONG, rounds

pytestmark = [pytest.mark.direct, pytest.mark.database]
SECONDS = 3.0
STATUS_LINES = re.compile(rb"HTTP/1\.1 (\d{3}) ")
fuzz = settings(
    max_examples=rounds(80, 5000),
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)

DATA = b"what there is to be read"
DIGEST = digest_of(DATA)
token = st.text("abcz019._-/", max_size=40)
escaped = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "%2f",
                "%00",
                "%0a",
                "%2e",
                "..",
                "/",
                "//",
                "%",
                "%ff",
                ":",
                "@",
                "a",
                "A",
                "uploads",
                "blobs",
                "manifests",
                "tags",
                "list",
                "sha256:",
                "%25",
            ]
        ),
        st.text("abc019", min_size=1, max_size=5),
    ),
    max_size=12,
).map("".join)
names = st.one_of(token, escaped, st.just("fuzz/app"))
digests = st.one_of(
    st.just(DIGEST),
    st.builds(
        lambda algorithm, digits: f"{algorithm}:{digits}",
        st.sampled_from(["sha256", "sha512", "SHA256", "md5", "", "sha256+x"]),
        st.text("0123456789abcdefABCDEFg%", max_size=130),
    ),
    escaped,
)
numbers = st.one_of(
    st.integers(-(2**70), 2**70).map(str), st.text("0123456789+-_.eExX%", max_size=30), st.just("9" * 4_500)
)
methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "BREW"])
header_names = st.sampled_from(
    [
        "Range",
        "Content-Range",
        "Content-Type",
        "Accept",
        "If-None-Match",
        "If-Range",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "Connection",
        "Content-Encoding",
        "X-Forwarded-For",
        "Authorization",
        "Cookie",
        "X-Any",
    ]
)
header_values = st.one_of(
    st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=60),
    numbers,
    st.sampled_from(
        ["chunked", "bytes=0-1", "0-1", "100-continue", "close", "keep-alive", OCI_MANIFEST, OCI_INDEX, "*/*", '"x"']
    ),
)


@pytest.fixture(scope="module")
def target(registry):
    """A registry with one repository, its workers, and its rows as they were."""
    with Client(registry.address) as client:
        client.push_image("fuzz/app", "latest", [b"layer"])
        client.push_blob("fuzz/app", DATA)
    workers = registry.workers()
    yield registry
    assert registry.workers() == workers, "a worker died"
    assert registry.prepare("check", "--json").returncode == 0


def ask(target, method: str, path: str, headers=(), body: bytes | None = None):
    """One answer within the time, with the checks that hold for every answer."""
    began = time.monotonic()
    answer = wire.request(target.address, method, path, headers, body, timeout=5)
    took = time.monotonic() - began
    assert answer.status < 500 or answer.status == 501, f"{method} {path}: {answer.status} {answer.body[:500]!r}"
    assert took < SECONDS, f"{method} {path} took {took:.1f} s"
    if answer.status >= 400:
        assert not LEAKS.search(answer.body), answer.body
        # What is no HTTP at all is refused by the parser, in one line.
        bare = answer.status == 400 and not answer.headers.keys()
        assert method == "HEAD" or bare or answer.json()["errors"][0]["code"]
    return answer


def path_safe(text: str) -> str:
    return "".join(char for char in text if " " < char <= "\xff" and char not in "#\x7f")


def ask_unchanged(target, *request):
    """The same; where the answer is a refusal, every row is as before."""
    before = state.rows(target)
    answer = ask(target, *request)
    if answer.status >= 400:
        assert state.rows(target) == before
    return answer


@fuzz
@given(
    st.sampled_from(["GET", "HEAD", "DELETE", "PATCH", "OPTIONS"]),
    names,
    st.sampled_from(["tags/list", "manifests/latest", "blobs/uploads/", f"blobs/{DIGEST}", f"referrers/{DIGEST}", ""]),
)
def test_names(target, method, name, rest):
    if method == "DELETE" and name == "fuzz/app":
        method = "GET"
    ask_unchanged(target, method, path_safe(f"/v2/{name}/{rest}"), (), b"" if method == "PATCH" else None)


@fuzz
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "PATCH"]),
    st.sampled_from(["manifests", "blobs", "referrers", "blobs/uploads"]),
    st.one_of(digests, names),
)
def test_references(target, method, kind, reference):
    answer = ask_unchanged(
        target,
        method,
        path_safe(f"/v2/fuzz/app/{kind}/{reference}"),
        [("Content-Type", OCI_INDEX)],
        b"{}" if method in ("PUT", "PATCH") else None,
    )
    assert answer.status != 201


@fuzz
@given(
    st.sampled_from(["/v2/_catalog", "/v2/fuzz/app/tags/list", f"/v2/fuzz/app/referrers/{DIGEST}"]),
    st.lists(
        st.tuples(
            st.sampled_from(["n", "last", "artifactType", "ns", "tag", "", "digest"]),
            st.one_of(numbers, escaped, st.text(max_size=20)),
        ),
        max_size=6,
    ),
)
def test_queries(target, path, fields):
    query = "&".join(f"{name}={quote(value, safe='%/:')}" for name, value in fields)
    answer = ask(target, "GET", f"{path}?{query}")
    assert answer.status in (200, 400, 414)


@fuzz
@given(
    st.one_of(
        st.builds("bytes={}-{}".format, numbers, numbers),
        header_values,
        st.lists(st.builds("{}-{}".format, numbers, numbers), max_size=20).map(
            lambda parts: "bytes=" + ",".join(parts)
        ),
    )
)
def test_ranges(target, wanted):
    answer = ask(target, "GET", f"/v2/fuzz/app/blobs/{DIGEST}", [("Range", wanted)])
    assert answer.status in (200, 206, 400, 416, 431)
    assert answer.status >= 400 or answer.body in DATA


@fuzz
@given(
    st.one_of(
        st.builds("{}-{}".format, numbers, numbers),
        st.builds("bytes {}-{}/{}".format, numbers, numbers, numbers),
        header_values,
    ),
    st.sampled_from(["PATCH", "PUT"]),
    st.binary(max_size=30),
)
def test_content_ranges(target, span, method, body):
    with Client(target.address) as client:
        location = client.start_upload("fuzz/app")
        try:
            path = f"{location}?digest={DIGEST}" if method == "PUT" else location
            before = state.rows(target)
            answer = ask(target, method, path, [("Content-Range", span)], body)
            assert answer.status in (202, 400, 416, 431)
            # Only a chunk in its place, or all bytes with another digest than promised, move the upload.
            judged = answer.status == 202 or b"DIGEST_INVALID" in answer.body
            assert judged or state.rows(target) == before
        finally:
            client.delete(location)


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=True),
        st.text(max_size=20),
        st.just(DIGEST),
        st.sampled_from([OCI_MANIFEST, OCI_INDEX, OCI_LAYER]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["mediaType", "digest", "size", "annotations", "urls", "platform", "x"]), inner, max_size=5
        ),
    ),
    max_leaves=12,
)
descriptors = st.one_of(
    st.fixed_dictionaries(
        {
            "mediaType": st.sampled_from([OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, "x/y"]),
            "digest": st.one_of(st.just(DIGEST), st.just("sha256:" + "0" * 64)),
            "size": st.one_of(st.just(len(DATA)), st.integers(-5, 2**64)),
        }
    ),
    json_values,
)
manifests = st.fixed_dictionaries(
    {"schemaVersion": st.one_of(st.just(2), json_values)},
    optional={
        "mediaType": st.one_of(st.sampled_from([OCI_MANIFEST, OCI_INDEX]), json_values),
        "config": descriptors,
        "layers": st.one_of(st.lists(descriptors, max_size=4), json_values),
        "manifests": st.one_of(st.lists(descriptors, max_size=4), json_values),
        "subject": descriptors,
        "annotations": st.one_of(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), json_values),
        "artifactType": json_values,
    },
)


@fuzz
@given(manifests, st.sampled_from([OCI_MANIFEST, OCI_INDEX, ""]))
def test_manifests(target, document, media_type):
    data = json.dumps(document).encode("utf-8", "replace")
    answer = ask_unchanged(target, "PUT", "/v2/fuzz/app/manifests/fuzzed", [("Content-Type", media_type)], data)
    assert answer.status in (201, 400, 404)
    if answer.status == 201:
        assert ask(target, "GET", "/v2/fuzz/app/manifests/fuzzed").body == data


@fuzz
@given(st.binary(max_size=200), st.integers(0, 100), st.binary(max_size=20))
def test_bytes_of_a_manifest(target, noise, place, insert):
    """A good manifest with noise in it, or nothing but noise."""
    good = json.dumps(
        {"schemaVersion": 2, "config": {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": len(DATA)}, "layers": []}
    ).encode()
    for data in (noise, good[:place] + insert + good[place:], good[:place] + good[place + len(insert) :]):
        answer = ask_unchanged(target, "PUT", "/v2/fuzz/app/manifests/noise", [("Content-Type", OCI_MANIFEST)], data)
        assert answer.status in (201, 400)


@fuzz
@given(
    methods,
    st.sampled_from(
        [
            "/v2/",
            "/v2/fuzz/app/manifests/none",
            f"/v2/fuzz/app/blobs/{DIGEST}",
            "/v2/fuzz/app/blobs/uploads/00",
            "/healthz",
        ]
    ),
    st.lists(st.tuples(header_names, header_values), max_size=8),
    st.binary(max_size=50),
)
def test_headers(target, method, path, headers, body):
    """Framing headers among them: an answer below 500, or a closed connection; never
    silence after the client is done.
    """
    if method == "DELETE" and "blobs/sha256" in path:
        return
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    data = head.encode("latin-1") + body
    survive_head(target, data) if method == "HEAD" else survive(target, data)


@fuzz
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    b"GET ",
                    b"PUT ",
                    b"/v2/",
                    b" HTTP/1.1",
                    b"\r\n",
                    b"\n",
                    b"\r",
                    b"Host: x",
                    b"Content-Length: 5",
                    b"Transfer-Encoding: chunked",
                    b":",
                    b" ",
                    b"\0",
                    b"5\r\nhello\r\n0\r\n\r\n",
                    b"\xff",
                    b"a" * 100,
                ]
            ),
            max_size=20,
        ).map(b"".join),
    )
)
def test_raw_bytes(target, data):
    survive(target, data)


def survive(target, data: bytes) -> None:
    """Send, end the sending side, read to the end: what comes back is made of whole answers below 500."""
    for answer in wire.exchange(target.address, data, timeout=5):
        assert answer.status < 500 or answer.status in (501, 505), answer
        assert not LEAKS.search(answer.body)


def survive_head(target, data: bytes) -> None:
    """The same where the first answer has no body, unless the server refused the head before it knew the method."""
    received = raw(target.address, data)
    assert not LEAKS.search(received)
    statuses = [int(status) for status in STATUS_LINES.findall(received)]
    assert statuses and all(status < 500 or status in (501, 505) for status in statuses), received


@fuzz
@given(st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=30)), min_size=1, max_size=8))
def test_chunked_bodies(target, chunks):
    """Chunks whose size line may lie about what follows."""
    with Client(target.address) as client:
        location = client.start_upload("fuzz/app")
        try:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            survive(target, head + b"".join(b"%x\r\n%s\r\n" % chunk for chunk in chunks) + b"0\r\n\r\n")
            client.get(location).expect(204, 404)
        finally:
            client.delete(location)


def test_after_all_the_server_answers(target):
    assert b"" != raw(target.address, b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    with Client(target.address) as client:
        assert client.pull_blob("fuzz/app", DIGEST) == DATA
        client.pull_image("fuzz/app", "latest")
