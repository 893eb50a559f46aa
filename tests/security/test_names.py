"""Names that climb, hide or collide (security S29, S31, S39, H6, H7): nothing outside is read, nothing is changed.

Every string stands in turn for a repository name, a tag, a digest, an upload id and a whole path, sent byte for byte.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
from urllib.parse import quote

import pytest

from tests.protocol import wire
from tests.protocol.refusal import LEAKS, SPEC_CODES
from tests.security.state import Unchanged
from tests.support.http import OCI_INDEX, OCI_MANIFEST, Client, digest_of, with_query

pytestmark = [pytest.mark.direct, pytest.mark.database]
CANARY = b"the-canary-that-lies-outside"
EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
# Statuses that a string with no meaning may have; each table row: where the string stands.
ALLOWED = {
    "GET": {400, 404, 414},
    "HEAD": {400, 404, 414},
    "PUT": {400, 404, 405, 414},
    "POST": {400, 404, 405, 414},
    "PATCH": {400, 404, 405, 414},
    "DELETE": {400, 404, 405, 414},
}
DOTS = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%uff0e%uff0e",
    "..;",
    "..%00",
    "..%0d%0a",
    "%2e%2e%20",
    "....",
    "\u2025",
]
SLASHES = ["/", "%2f", "%2F", "%252f", "\\", "%5c", "%c0%af", "%e2%88%95", "//", "/./", "%2f%2f", ";/"]
TARGETS = ["etc/passwd", "registry.db"]
SPECIALS = [
    "%00",
    "app%00",
    "app%0a",
    "app%0d%0aX-Injected:%201",
    "app%20",
    "%20app",
    "app%09",
    "app.",
    ".app",
    "-app",
    "app-",
    "_app",
    "a..b",
    "a___b",
    "a//b",
    "A",
    "APP",
    "\u00e4pp",
    "\u00df",
    "%C3%9F",
    "%EF%BD%81pp",
    "a%E2%80%8Bb",
    "%E2%80%AEapp",
    "%ff%fe",
    "%f0%9f%90%8b",
    "app%2e",
    "CON",
    "nul.",
    "app::$DATA",
    "app~1",
    "*",
    "%25",
    "_%25_",
    "' OR '1'='1",
    "';DROP TABLE tags;--",
    '"; --',
    "$(id)",
    "`id`",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "%7b%7b7*7%7d%7d",
    "%s%s%s%n",
    "file:///etc/passwd",
    "http://127.0.0.1/",
    "@127.0.0.1",
    "a" * 300,
    "a/" * 200 + "a",
    "%61" * 200 + "!",
    "\x7f",
    "a;b",
    "a,b",
    "a|b",
    "a&b",
    "a=b+c",
    "%",
    "%zz",
    "%2",
    "sha256:",
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,
    "SHA256:" + "0" * 64,
    "sha256:" + "0" * 64 + "%0a",
    "sha256:" + "%EF%BC%90" * 64,
    "sha256:../../../../etc/passwd",
    "sha256:%2e%2e%2f%2e%2e%2fregistry.db",
    "sha512:" + "0" * 64,
    "sha256+b64u:" + "0" * 43,
    "md5:" + "0" * 32,
    "sha1:" + "0" * 40,
    ":" + "0" * 64,
    "sha256::" + "0" * 64,
]
CLIMBS = [
    slash.join([dots] * depth + [target])
    for dots, slash, target in itertools.product(DOTS, SLASHES, TARGETS)
    for depth in (3,)
]
STRINGS = list(dict.fromkeys([*CLIMBS, *SPECIALS]))


def raw(text: str) -> str:
    """The string as it goes on the wire: what a request line cannot hold at all is escaped, all else stays."""
    return quote(text.encode(), safe="/%;:\\?&=+,|~*'\"(){}$`!@#._-[]<>^")


@pytest.fixture(scope="module")
def filled(registry):
    """A registry with content, and canaries where paths that climb would end."""
    for place in (registry.root.parent / "etc", registry.root / "etc"):
        place.mkdir()
        (place / "passwd").write_bytes(CANARY)
    with Client(registry.address) as client:
        client.push_image("app", "latest", [b"a layer"])
        client.push_image("a/b", "latest", [b"another layer"])
    return registry


def places(text: str) -> list[tuple[str, str, bytes | None]]:
    """Every request in which the string stands where a client may put it: method, path, body."""
    zero = "sha256:" + "0" * 64
    return [
        ("GET", f"/v2/{text}/tags/list", None),
        ("GET", f"/v2/{text}/manifests/latest", None),
        ("PUT", f"/v2/{text}/manifests/{text}", EMPTY_INDEX),
        ("POST", f"/v2/{text}/blobs/uploads/?digest={zero}", b"x"),
        ("GET", f"/v2/app/manifests/{text}", None),
        ("HEAD", f"/v2/app/manifests/{text}", None),
        ("DELETE", f"/v2/app/manifests/{text}", None),
        ("GET", f"/v2/app/blobs/{text}", None),
        ("HEAD", f"/v2/app/blobs/{text}", None),
        ("DELETE", f"/v2/app/blobs/{text}", None),
        ("GET", f"/v2/app/referrers/{text}", None),
        ("GET", f"/v2/app/blobs/uploads/{text}", None),
        ("PATCH", f"/v2/app/blobs/uploads/{text}", b"x"),
        ("PUT", f"/v2/app/blobs/uploads/{text}?digest={zero}", b"x"),
        ("DELETE", f"/v2/app/blobs/uploads/{text}", None),
        ("GET", f"/{text}", None),
        ("GET", f"/v2/{text}", None),
    ]


def test_there_are_enough_strings():
    assert len(STRINGS) >= 200


@pytest.mark.parametrize("part", range(8))
def test_no_string_reads_or_changes_anything(filled, part):
    with Unchanged(filled), wire.Connection(filled.address) as first:
        connection = first
        for text in STRINGS[part::8]:
            for method, path, body in places(raw(text)):
                answer, connection = ask(filled, connection, method, path, body)
                assert answer.status in ALLOWED[method], f"{method} {path} -> {answer.status} {answer.body[:300]!r}"
                assert CANARY not in answer.body and b"SQLite" not in answer.body
                assert "X-Injected" not in answer.headers
                assert_spec_error(answer, path)


def ask(registry, connection, method, path, body):
    """The answer, and the connection to go on with."""
    headers = [("Content-Type", OCI_INDEX)] if body else []
    try:
        answer = connection.request(method, path, headers, body)
    except (wire.Closed, BrokenPipeError, ConnectionError) as error:
        raise AssertionError(f"{method} {path}: no answer, {error!r}") from None
    if not wire.goes_on(answer):
        connection.close()
        connection = wire.Connection(registry.address)
    return answer, connection


def assert_spec_error(answer, path: str) -> None:
    if answer.body and answer.headers.get_content_type() == "application/json":
        assert answer.code() in SPEC_CODES, (path, answer.body)
        assert not LEAKS.search(answer.body), (path, answer.body)


@pytest.mark.parametrize("text", SPECIALS[:36])
def test_strings_in_the_query(filled, text):
    """`last`, `from`, `mount`, `digest`, `artifactType` and `tag` are values, never paths or patterns."""
    value = quote(text, safe="%")
    zero = "sha256:" + "0" * 64
    digest = digest_of(EMPTY_INDEX)
    requests = [
        ("GET", f"/v2/app/tags/list?last={value}", {200, 400}),
        ("GET", f"/v2/_catalog?last={value}", {200, 400}),
        ("GET", f"/v2/app/referrers/{zero}?artifactType={value}", {200, 400}),
        ("POST", f"/v2/app/blobs/uploads/?digest={value}", {400}),
        ("POST", f"/v2/app/blobs/uploads/?digest-algorithm={value}", {400}),
    ]
    with Unchanged(filled), Client(filled.address) as client:
        for method, path, statuses in requests:
            client.request(method, path).expect(*statuses)
        # What can't be mounted is an upload.
        started = client.request("POST", f"/v2/app/blobs/uploads/?mount={value}&from={value}").expect(202, 400)
        if started.status == 202:
            client.delete(started.location).expect(204)
        if text not in ("A", "APP", "a___b", "_app", "app-", "app.", "a..b", "nul.", "CON", "app%2e"):
            client.request(
                "PUT", f"/v2/app/manifests/{digest}?tag={value}", {"Content-Type": OCI_INDEX}, EMPTY_INDEX
            ).expect(400)


@pytest.mark.parametrize(
    "suffix", ["/", "//", ";x", "%2f", "%20", "%00", "%09", "/.", "/..", "/../latest", "?", "??", "?x", ".json", "%3f"]
)
def test_a_suffix_does_not_reach_another_object(filled, suffix):
    """security S29: the route with something behind it is the same object, or none."""
    with Unchanged(filled), Client(filled.address) as client:
        digest = client.head("/v2/app/manifests/latest").headers["Docker-Content-Digest"]
    for path in ("/v2/app/manifests/latest", f"/v2/app/manifests/{digest}", "/v2/app/tags/list"):
        plain = wire.request(filled.address, "GET", path).expect(200)
        answer = wire.request(filled.address, "GET", path + suffix).expect(200, 400, 404)
        assert answer.status != 200 or answer.body == plain.body
    with Unchanged(filled):
        if "?" not in suffix:
            answer = wire.request(filled.address, "DELETE", "/v2/app/manifests/nosuchtag" + suffix).expect(
                400, 404, 405
            )


@pytest.mark.parametrize(
    "path",
    [
        "//v2/app/tags/list",
        "/v2//app/tags/list",
        "/V2/app/tags/list",
        "/v2/./app/tags/list",
        "/x/../v2/app/tags/list",
        "/v2/app/tags/../tags/list",
        "/%76%32/app/tags/list",
        "/v2/app%2ftags/list",
        "/v2;a/app/tags/list",
    ],
)
def test_paths_that_a_proxy_would_tidy(filled, path):
    """What a proxy in front may rewrite is not tidied here: the same object after decoding, or none."""
    answer = wire.request(filled.address, "GET", path).expect(200, 400, 404)
    assert answer.status != 200 or answer.json()["name"] == "app"


def test_an_absolute_target_is_that_path_on_this_host_or_none(filled):
    for target in (
        f"http://{filled.address}/v2/app/tags/list",
        "http://evil.example/v2/app/tags/list",
        "https://x@y/v2/",
        "app/tags/list",
        "*",
        "evil:80",
    ):
        with wire.Connection(filled.address) as connection:
            answer = connection.request("GET", target).expect(200, 400, 404)
            assert "evil" not in str(answer.headers)


NEIGHBOURS = [
    ("n/a-b", "n/a.b"),
    ("n/a_b", "n/a__b"),
    ("n/ab", "n/a-b"),
    ("n/a", "n/a/b"),
    ("n/0", "n/00"),
    ("n/a-b", "n/a--b"),
]


@pytest.mark.parametrize("pair", NEIGHBOURS, ids="|".join)
def test_names_that_look_alike_share_nothing(filled, pair):
    with Client(filled.address) as client:
        for number, name in enumerate(pair):
            client.push_manifest(name, "only", EMPTY_INDEX[:-1] + b',"annotations":{"of":"%s"}}' % name.encode())
            client.push_manifest(name, f"own-{number}-{pair[1 - number].replace('/', '.')}", EMPTY_INDEX)
        for name in pair:
            assert client.pull_manifest(name, "only").json()["annotations"]["of"] == name
        assert not set(own_tags(client, pair[0])) & set(own_tags(client, pair[1]))
        client.delete(f"/v2/{pair[0]}/manifests/only").expect(202)
        client.pull_manifest(pair[1], "only")


def own_tags(client: Client, name: str) -> list[str]:
    return [tag for tag in client.get(f"/v2/{name}/tags/list").expect(200).json()["tags"] if tag.startswith("own-")]


def test_tags_that_differ_in_case_are_two(filled):
    with Client(filled.address) as client:
        digests = {
            tag: client.push_manifest(
                "case/app",
                tag,
                json.dumps({"schemaVersion": 2, "manifests": [], "annotations": {"t": tag}}).encode(),
                OCI_INDEX,
            )
            for tag in ("Tag", "tag", "TAG", "tag.", "tag_", "tag-")
        }
        for tag, digest in digests.items():
            assert client.head(f"/v2/case/app/manifests/{tag}").headers["Docker-Content-Digest"] == digest
        client.delete("/v2/case/app/manifests/TAG").expect(202)
        assert client.get("/v2/case/app/tags/list").json()["tags"] == sorted(set(digests) - {"TAG"})


def test_the_data_directory_belongs_to_its_owner(filled):
    assert filled.root.stat().st_mode & 0o077 == 0
    if os.geteuid() != 0:
        assert filled.root.stat().st_uid == os.geteuid()


def test_urls_of_layers_are_kept_and_never_followed(filled):
    """security S8: a descriptor's `urls` name a listener of this test; nobody comes."""
    with socket.create_server(("127.0.0.1", 0)) as canary, Client(filled.address) as client:
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/layer"
        foreign = {
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "digest": digest_of(b"away"),
            "size": 4,
            "urls": [url],
        }
        config = client.push_blob("urls/app", b"{}")
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [foreign],
        }
        client.push_manifest("urls/app", "latest", document)
        assert client.pull_manifest("urls/app", "latest").json() == document
        answer = client.get(f"/v2/urls/app/blobs/{foreign['digest']}").expect(404)
        assert url not in str(answer.headers)
        canary.settimeout(0.5)
        with pytest.raises(TimeoutError):
            canary.accept()


def test_an_upload_location_cannot_be_turned_into_another_file(filled):
    with Client(filled.address) as client:
        location = client.start_upload("app")
        for change in ("../" * 6 + "etc/passwd", "%2e%2e/registry.db", "\\..\\x"):
            bent = with_query(location + "/" + change, digest=digest_of(b""))
            assert wire.request(filled.address, "PUT", bent).status in (400, 404, 405)
        client.delete(location).expect(204)
