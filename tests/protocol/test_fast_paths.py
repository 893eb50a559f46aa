"""The short ways answer like the ordinary one: generated conversations with two registries, fast paths on and off.

A conversation is a few requests, valid, odd or hostile, behind each other on one connection, cut into pieces anywhere.
What comes back has to be the same to the byte but for the date, the request's id and the ids of uploads: statuses,
headers, bodies, and whether the connection went on. Afterwards both registries hold the same.
"""

import json
import os
import random
import re
import shutil
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.http import OCI_INDEX, OCI_MANIFEST, Client, digest_of
from tests.support.people import People, basic
from tests.support.rounds import rounds
from tests.support.server import Registry

CONVERSATIONS = rounds(300, 10_000)
SMALL, LARGE = b"a small blob", bytes(range(256)) * 700
SECONDS = 8
RESET = b"reset"
TABLES = {
    "repositories": "SELECT name FROM repositories",
    "blobs": "SELECT digest, size FROM blobs",
    "small_blobs": "SELECT body FROM small_blobs",
    "links": "SELECT name, digest FROM repository_blobs JOIN repositories ON id = repository_id",
    "manifests": "SELECT name, digest, media_type, size, body FROM manifests JOIN repositories ON id = repository_id",
    "tags": "SELECT repositories.name, tags.name, digest FROM tags JOIN repositories ON id = repository_id",
    "needs": "SELECT name, manifest_digest, blob_digest FROM manifest_blobs JOIN repositories ON id = repository_id",
    "uploads": "SELECT repository, size, digest FROM uploads",
}
ROOTS: dict[str, Path] = {}  # of the registries of `pair`, by their addresses
LAST = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
# Ids of uploads, requests and visitors, times; a port in what the server says of itself.
CHANGING = re.compile(
    rb"(?<=\r\nDate: )[^\r]+|(?<=\r\nX-Request-Id: )[^\r]+|(?<=uploads/)[0-9a-f-]{32,36}|(?<=Upload-Uuid:"
    rb" )[^\r]+|(?<=request_id\": \")[^\"]+|(?<=dockboard-visitor=)[^;]+|(?<=name=\"_csrf\" value=\")[^\"]+",
    re.I,
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(address with fast paths, address without), with the same content."""
    settings = {
        "workers": 1,
        "auth_anonymous": "push",
        "server_header_timeout": 2,
        "server_body_timeout": 2,
        "server_idle_timeout": 4,
    }
    root = tmp_path_factory.mktemp("pair")
    with (
        Registry(root / "fast", **settings) as fast,
        Registry(root / "ordinary", server_fast_paths="false", **settings) as ordinary,
    ):
        for registry in (fast, ordinary):
            with Client(registry.address) as client:
                for data in (SMALL, LARGE):
                    client.push_blob("app", data)
                client.push_image("app", "v1", layers=[SMALL])
                client.push_image("team/deep/app", "v1", layers=[LARGE])
            ROOTS[registry.address] = registry.root
        yield fast.address, ordinary.address


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """(pair of addresses, lines that show credentials): two registries with the same accounts, keys and content, where
    not everybody may do everything.
    """
    root = tmp_path_factory.mktemp("guarded")
    settings = {
        "workers": 1,
        "auth_anonymous": "pull",
        "server_header_timeout": 2,
        "server_body_timeout": 2,
        "server_idle_timeout": 4,
    }
    with Registry(root / "fast", **settings) as fast:
        people = People(fast)
        people.add("ann", "bob")
        people.command("user", "promote", "ann")
        with people.as_user("ann") as ann:
            for name, layer in (("app", SMALL), ("team/deep/app", LARGE)):
                ann.push_image(name, "v1", layers=[layer])
        people.command("repository", "set", "app", "--public")
        shown = [basic(name, people.command("token", "add", name, "--name", "lane")) for name in ("ann", "bob")]
        shown += [
            people.bearer(each, "repository:app:pull,push", "repository:team/deep/app:pull") for each in (*shown, {})
        ]
        fast.stop()
        shutil.copytree(fast.root, root / "ordinary")
        fast.start()
        with Registry(root / "ordinary", server_fast_paths="false", **settings) as ordinary:
            yield (fast.address, ordinary.address), [f"Authorization: {each['Authorization']}" for each in shown]


FIELDS = (
    "Accept: */*",
    f"Accept: {OCI_MANIFEST}",
    "User-Agent: docker/29 (linux)",
    "user-agent:x",
    "Accept-Encoding: gzip, identity",
    "Authorization: Bearer abc",
    "X-Request-Id: mine",
    "X-Forwarded-For: 10.0.0.1",
    "Connection: keep-alive",
    "Connection: close",
    "Range: bytes=0-3",
    "Range: bytes=5-",
    "Range: bytes=-7",
    "Range: bytes=900000-",
    "Range: bytes=1-2,4-5",
    "Range: lines=1-2",
    f'If-None-Match: "{digest_of(SMALL)}"',
    "If-None-Match: *",
    f'If-Range: "{digest_of(LARGE)}"',
    "If-Modified-Since: x",
    "Cookie: a=b; c=d",
    "Accept:\tx",
    "Accept: x ",
    "Accept : x",
    "Acc\u00e9pt: x",
    "X-Odd: \u00e9",
    "X-Empty:",
    "X-Folded: a\r\n b",
    "Expect: 100-continue",
    "Expect: 200-ok",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Content-Length: 0",
    "Content-Length: 5,5",
    "Content-Length: -1",
    "Content-Encoding: gzip",
    "Upgrade: h2c",
    "TE: trailers",
    "X-Long: " + "l" * 9000,
    "X-Many: 1\r\n" * 110 + "X-Many: 2",
    "X-Nul: a\0b",
    "X-Bare: a\rb",
    "X-Bare: a\nb",
    "Range: bytes=900000-\r\nrange: bytes=0-1",
    f'IF-None-MATCH: "x"\r\nif-none-match: "{digest_of(SMALL)}"',
    "Connection: keep-alive\r\nconnection: close",
    "Via: 1.1 proxy",
    "X-Dockboard-CSRF: a",
)


class Speaker:
    """Makes conversations; the same seed makes the same ones. shown: lines that most requests have one of."""

    def __init__(self, seed: int, shown: list[str] = []):
        self.random = random.Random(seed)
        self.shown = shown

    def conversation(self) -> bytes:
        requests = [self.request() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
        if self.random.random() < 0.15:
            at = self.random.randrange(len(requests))
            requests[at] = self.damaged(requests[at])
        return b"".join(requests) + LAST

    def push(self) -> bytes:
        """A blob or a manifest with its body, now and then with a wrong digest or length."""
        body = self.random.randbytes(self.random.choice((1, 300, 20_000, 66_000, 300_000)))
        wanted = digest_of(body if self.random.random() < 0.8 else b"other")
        length = len(body) - (self.random.random() < 0.05)
        head = f"POST /v2/app/blobs/uploads/?digest={wanted} HTTP/1.1\r\nContent-Length: {length}\r\n"
        if self.random.random() < 0.3:
            body = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_INDEX,
                    "manifests": [],
                    "annotations": {"n": str(self.random.random())},
                }
            ).encode()
            head = (
                f"PUT /v2/app/manifests/t{self.random.randrange(9)} HTTP/1.1\r\nContent-Type:"
                f" {OCI_INDEX}\r\nContent-Length: {len(body)}\r\n"
            )
        return f"{head}{self.host()}\r\n{self.field()}\r\n\r\n".encode("latin-1") + body

    def request(self) -> bytes:
        if self.random.random() < 0.1:
            return self.push()
        method = self.pick("GET GET GET GET HEAD HEAD OPTIONS POST PUT PATCH DELETE get GETX")
        fields = [self.host(), *(self.field() for _ in range(self.random.choice((0, 1, 2, 2, 3))))]
        if self.shown and self.random.random() < 0.9:
            fields.append(self.random.choice(self.shown))
        body = b""
        if method in ("POST", "PUT", "PATCH") or self.random.random() < 0.05:
            body = self.random.choice((b"", b"x", b"{}", b"y" * 3000))
            fields.append(f"Content-Length: {len(body)}")
        self.random.shuffle(fields)
        fields = map(self.spelled, fields)
        version = self.pick("1.1 1.1 1.1 1.1 1.1 1.1 1.1 1.0 2.0 1.2")
        return (
            "\r\n".join([f"{method} {self.target()} HTTP/{version}", *filter(None, fields), "", ""]).encode("latin-1")
            + body
        )

    def spelled(self, line: str) -> str:
        """The same line, now and then with its name in another case."""
        name, colon, value = line.partition(":")
        if self.random.random() < 0.15:
            name = self.random.choice((name.lower(), name.upper(), name.swapcase()))
        return name + colon + value

    def pick(self, words: str) -> str:
        return self.random.choice(words.split())

    def target(self) -> str:
        name = self.pick("app app app team/deep/app other App a//b ..%2fapp app%20x")
        reference = self.random.choice(
            ("v1", "v1", "nothing", digest_of(SMALL), digest_of(LARGE), "sha256:short", "x" * 130, "%76%31", "v1%00")
        )
        digest = self.random.choice(
            (digest_of(SMALL), digest_of(LARGE), digest_of(b"no"), "sha256:" + "A" * 64, "md5:x")
        )
        paths = (
            *(f"/v2/{name}/manifests/{reference}" for _ in range(3)),
            *(f"/v2/{name}/blobs/{digest}" for _ in range(3)),
            *(
                "/v2/",
                "/v2",
                "/v2/_catalog?n=1",
                f"/v2/{name}/tags/list",
                f"/v2/{name}/tags/list?n=x",
                f"/v2/{name}/referrers/{digest}",
            ),
            *(
                f"/v2/{name}/blobs/uploads/",
                "/healthz",
                "/nowhere",  # The first page says what is counted a moment later.
                "/nowhere",
                f"http://x/v2/{name}/manifests/v1",
                "*",
                "/v2/?a=1&a=2",
            ),
        )
        return self.random.choice(paths)

    def host(self) -> str:
        return self.random.choice(
            ("Host: x",) * 20
            + ("Host: localhost:5000", "host: [::1]:5", "Host:", "Host: a b", "Host: x\r\nHost: y", "")
        )

    def field(self) -> str:
        return self.random.choice(FIELDS)

    def damaged(self, request: bytes) -> bytes:
        at = self.random.randrange(len(request))
        return self.random.choice(
            (
                request[:at] + request[at + 1 :],
                request[:at] + bytes([self.random.randrange(256)]) + request[at + 1 :],
                request[:at]
                + self.random.choice((b"\r\n", b"\n", b" ", b"\0", b"\x16\x03\x01", b"\xff"))
                + request[at:],
                request.replace(b"\r\n", b"\n"),
                b"\r\n" + request,
            )
        )

    def pieces(self, data: bytes) -> list[bytes]:
        """The data cut nowhere, somewhere, or between any two bytes of the first request's head."""
        way = self.random.random()
        if way < 0.6:
            return [data]
        cuts = sorted(self.random.sample(range(1, len(data)), min(len(data) - 1, self.random.choice((1, 2, 5, 40)))))
        return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)])]


def spoken(address: str, pieces: list[bytes], pause: float) -> bytes:
    """All that the server answers until it closes; b"open" at the end where it did not, b"reset" where it closed before
    it had read all: then what it had answered may have been lost on the way.
    """
    host, port = address.rsplit(":", 1)
    received = b""
    with socket.create_connection((host, int(port)), SECONDS) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(pause if len(pieces) > 1 else 0)
        except OSError:
            pass
        try:
            while data := sock.recv(1 << 20):
                received += data
        except ConnectionResetError:
            received += RESET
        except TimeoutError:
            received += b"open"
    return CHANGING.sub(b"*", received).replace(b"100 (Continue)", b"100 Continue")  # Tornado's words and ours


def compare(pair: tuple[str, str], seed: int, shown: list[str] = []) -> str:
    """What differs between the two registries' answers to one conversation; empty if nothing does."""
    speaker = Speaker(seed, shown)
    data = speaker.conversation()
    pieces = speaker.pieces(data)
    fast, ordinary = (spoken(address, pieces, 0.002) for address in pair)
    same = len(os.path.commonprefix([fast, ordinary]))
    shown_part = slice(max(0, same - 300), same + 300)
    return (
        ""
        if alike(fast, ordinary)
        else (
            f"seed {seed}: {data[:600]!r}\n  in {len(pieces)} pieces\n  fast:     {fast[shown_part]!r}\n  ordinary:"
            f" {ordinary[shown_part]!r}"
        )
    )


def alike(one: bytes, other: bytes) -> bool:
    if RESET not in (one[-len(RESET) :], other[-len(RESET) :]):
        return one == other
    one, other = one.removesuffix(RESET), other.removesuffix(RESET)
    return one.startswith(other) or other.startswith(one)


def test_both_ways_answer_alike(pair):
    # One after the other: requests that change something have to come to both in the same order.
    differences = list(filter(None, (compare(pair, seed) for seed in range(CONVERSATIONS))))
    assert differences == [], f"{len(differences)} differences, the first:\n" + "\n".join(differences[:3])
    assert content(pair[0]) == content(pair[1])
    one, other = (rows(ROOTS[address]) for address in pair)
    assert one == other and len(one["small_blobs"]) > 5 and one["files"] != []


def test_both_ways_know_the_same_people(guarded):
    pair, shown = guarded
    differences = list(filter(None, (compare(pair, seed, shown) for seed in range(CONVERSATIONS // 8))))
    assert differences == [], f"{len(differences)} differences, the first:\n" + "\n".join(differences[:3])


def rows(root: Path) -> dict[str, list]:
    """What database and store hold, without times, ids and keys, which are never the same."""
    with closing(sqlite3.connect(f"file:{root}/registry.db?mode=ro", uri=True)) as database:
        found = {name: sorted(database.execute(sql).fetchall(), key=repr) for name, sql in TABLES.items()}
    return found | {
        "files": sorted(digest_of(path.read_bytes()) for path in (root / "blobs").rglob("*") if path.is_file())
    }


def content(address: str) -> list:
    """Repositories, tags, and what the tags point at."""
    with Client(address) as client:
        found = []
        for name in client.request("GET", "/v2/_catalog").json()["repositories"]:
            answer = client.request("GET", f"/v2/{name}/tags/list")
            tags = answer.json()["tags"] if answer.status == 200 else []
            found.append(
                (
                    name,
                    [
                        (tag, client.request("HEAD", f"/v2/{name}/manifests/{tag}").headers["Docker-Content-Digest"])
                        for tag in tags
                    ],
                )
            )
        return found


def test_a_request_split_between_any_two_bytes(pair):
    request = f"GET /v2/app/blobs/{digest_of(SMALL)} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n".encode()
    whole = spoken(pair[0], [request + LAST], 0)
    assert whole.count(b"HTTP/1.1 200 OK") == 2 and SMALL in whole
    with ThreadPoolExecutor(8) as pool:
        ways = list(
            pool.map(lambda at: spoken(pair[0], [request[:at], request[at:] + LAST], 0.02), range(1, len(request)))
        )
    assert set(ways) == {whole}
    assert spoken(pair[0], [bytes([byte]) for byte in request + LAST], 0.001) == whole
