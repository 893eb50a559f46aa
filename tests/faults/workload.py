"""Clients that push, re-tag, mount, delete and pull at random, and write everything into a journal."""

import http.client
import json
import random
import threading
from collections.abc import Callable
from functools import partial

from tests.faults.journal import ABSENT, Journal, Key, Refused
from tests.support.http import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    OCTETS,
    Client,
    Response,
    digest_of,
    with_query,
)

BASE = "shared/base"
"""The repository that everyone mounts layers from."""
HOT_TAGS = 10
"""Tags of each client that are written again and again."""
UPLOADS = ("put", "post", "patch", "chunks")


class Unanswered(Exception):
    """A 5xx: nobody knows whether the request took effect."""

    def __init__(self, response: Response):
        super().__init__(f"{response.method} {response.path}: {response.status} {response.body[:500]!r}")
        self.status = response.status
        self.body = response.body


NO_ANSWER = (OSError, http.client.HTTPException, Unanswered)
"""What a request may end with while the server is being broken."""


class Journalled:
    """One connection to the registry; every request that changes something goes through the journal."""

    def __init__(self, address: str, journal: Journal, timeout: float = 60):
        self.http = Client(address, timeout=timeout)
        self.journal = journal

    def send(self, expected: tuple[int, ...], method: str, path: str, headers: dict = {}, body=None) -> Response:
        """The answer when its status is expected; else Refused (4xx) or Unanswered (5xx)."""
        response = self.http.request(method, path, headers, body)
        if response.status in expected:
            return response
        raise (Unanswered if response.status >= 500 else Refused)(response)

    def upload(self, repository: str, data: bytes, style: str = "put") -> str:
        """Push a blob in one of the UPLOADS styles; the digest."""
        digest = self.journal.remember(data) if digest_of(data) not in self.journal.contents else digest_of(data)
        change = {Key("blob", repository, digest): digest}
        base = f"/v2/{repository}/blobs/uploads/"
        if style == "post":
            with self.journal.attempt(f"single POST of {digest}", change):
                self.send((201,), "POST", with_query(base, digest=digest), {"Content-Type": OCTETS}, data)
            return digest
        location = self.send((202,), "POST", base).location
        rest = self._send_prefix(location, data, style)
        with self.journal.attempt(f"{style} upload of {digest}", change):
            self.send((201,), "PUT", with_query(rest[0], digest=digest), {"Content-Type": OCTETS}, rest[1])
        return digest

    def _send_prefix(self, location: str, data: bytes, style: str) -> tuple[str, bytes]:
        """Send what goes before the last PUT; (location to go on at, bytes for the PUT)."""
        if style == "put":
            return location, data
        if style == "patch":
            return self.send((202,), "PATCH", location, {"Content-Type": OCTETS}, data).location, b""
        step = max(1, len(data) // 3)
        for start in range(0, min(2 * step, len(data)), step):
            chunk = data[start : start + step]
            headers = {"Content-Type": OCTETS, "Content-Range": f"{start}-{start + len(chunk) - 1}"}
            location = self.send((202,), "PATCH", location, headers, chunk).location
        return location, data[2 * step :]

    def mount(self, repository: str, digest: str, source: str) -> None:
        """Mount a blob; when the registry would rather have the bytes (202) they are uploaded."""
        path = with_query(f"/v2/{repository}/blobs/uploads/", mount=digest, **{"from": source})
        with self.journal.attempt(f"mount of {digest}", {Key("blob", repository, digest): digest}):
            answer = self.send((201, 202), "POST", path)
            if answer.status == 202:
                body = self.journal.bytes_of(digest)
                self.send((201,), "PUT", with_query(answer.location, digest=digest), {"Content-Type": OCTETS}, body)

    def put_manifest(self, repository: str, reference: str, body: bytes, media_type: str = OCI_MANIFEST) -> str:
        digest = self.journal.remember(body)
        changes = {Key("manifest", repository, digest): digest}
        if ":" not in reference:
            changes[Key("tag", repository, reference)] = digest
        with self.journal.attempt(f"PUT {reference} = {digest}", changes):
            self.send((201,), "PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": media_type}, body)
        return digest

    def delete_tag(self, repository: str, tag: str) -> None:
        key = Key("tag", repository, tag)
        expected = self._deleted(key)
        with self.journal.attempt(f"DELETE {tag}", {key: ABSENT}):
            self.send(expected, "DELETE", f"/v2/{repository}/manifests/{tag}")

    def delete_manifest(self, repository: str, digest: str, tags: list[str]) -> None:
        """Delete by digest; `tags` are those that point at it and go with it."""
        key = Key("manifest", repository, digest)
        expected = self._deleted(key)
        changes = {key: ABSENT, **{Key("tag", repository, tag): ABSENT for tag in tags}}
        with self.journal.attempt(f"DELETE {digest}", changes):
            self.send(expected, "DELETE", f"/v2/{repository}/manifests/{digest}")

    def delete_blob(self, repository: str, digest: str) -> None:
        key = Key("blob", repository, digest)
        expected = self._deleted(key)
        with self.journal.attempt(f"DELETE blob {digest}", {key: ABSENT}):
            self.send(expected, "DELETE", f"/v2/{repository}/blobs/{digest}")

    def _deleted(self, key: Key) -> tuple[int, ...]:
        """404 is an honest answer only where the object may be gone already."""
        return (202, 404) if ABSENT in self.journal.allowed(key) else (202,)


class Pusher(Journalled):
    """A client with a repository of its own; `run` works until told to stop, `retry` repeats what got no answer."""

    def __init__(self, address: str, journal: Journal, name: str, seed: int):
        super().__init__(address, journal)
        self.repository = f"{name}/app"
        self.random = random.Random(seed)
        self.images: list[bytes] = []
        self.pending: Callable[[], object] | None = None
        self.surprises: list[str] = []
        self.wrong: list[str] = []
        self.counter = 0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            operation = self.choose()
            try:
                operation()
            except Refused as refused:
                self.surprises.append(str(refused))
            except NO_ANSWER as error:
                self.pending = operation
                if isinstance(error, Unanswered):
                    self.surprises.append(str(error))
                stop.wait(0.02)

    def retry(self) -> None:
        """Repeat the last operation that got no answer; it must succeed now."""
        operation, self.pending = self.pending, None
        if operation is not None:
            operation()

    def choose(self) -> Callable[[], object]:
        if not self.images:
            return self.prepare_push()
        ways = (self.prepare_retag, self.prepare_push, self.prepare_pull, self.prepare_delete, self.prepare_index)
        return self.random.choices(ways, (10, 5, 3, 3, 1))[0]()

    def prepare_push(self) -> Callable[[], object]:
        self.counter += 1
        layers = [self.journal.new_content(self.random.randint(1, 60_000))[1] for _ in range(self.random.randint(1, 2))]
        styles = [self.random.choice(UPLOADS) for _ in range(3)]
        return partial(self.push_image, f"new-{self.counter}", layers, styles)

    def push_image(self, tag: str, layers: list[bytes], styles: list[str]) -> str:
        """Push layers and config, mount one layer of BASE where there is one, put the manifest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "made": tag}).encode()
        for data, style in zip([*layers, config], styles):
            self.upload(self.repository, data, style)
        mounted = self.mount_base()
        body = image(config, [*layers, *mounted])
        digest = self.put_manifest(self.repository, tag, body)
        self.images.append(body)
        return digest

    def mount_base(self) -> list[bytes]:
        bases = [key.name for key in self.journal.keys("blob") if key.repository == BASE]
        if not bases:
            return []
        digest = self.random.choice(bases)
        self.mount(self.repository, digest, BASE)
        return [self.journal.bytes_of(digest)]

    def prepare_retag(self) -> Callable[[], object]:
        """A new manifest over layers that are there already, under one of the tags used again and again."""
        self.counter += 1
        document = json.loads(self.random.choice(self.images))
        document["annotations"] = {"org.example.counter": str(self.counter)}
        tag = f"hot-{self.random.randrange(HOT_TAGS)}"
        return partial(self.put_manifest, self.repository, tag, json.dumps(document).encode())

    def prepare_index(self) -> Callable[[], object]:
        self.counter += 1
        children = [describe(body, OCI_MANIFEST) for body in self.random.sample(self.images, min(2, len(self.images)))]
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
        return partial(self.put_index, f"index-{self.counter}", body)

    def put_index(self, tag: str, body: bytes) -> None:
        for child in json.loads(body)["manifests"]:
            self.put_manifest(self.repository, child["digest"], self.journal.bytes_of(child["digest"]))
        self.put_manifest(self.repository, tag, body, OCI_INDEX)

    def prepare_delete(self) -> Callable[[], object]:
        hot = f"hot-{self.random.randrange(HOT_TAGS)}"
        ways = (
            partial(self.delete_tag, self.repository, hot),
            self.push_and_delete_blob,
            partial(self.delete_image, hot),
        )
        return self.random.choice(ways)

    def push_and_delete_blob(self) -> None:
        digest, data = self.journal.new_content(self.random.randint(1, 20_000))
        self.upload(self.repository, data, "post")
        self.delete_blob(self.repository, digest)

    def delete_image(self, tag: str) -> None:
        """Delete, by its digest, the manifest that a tag names, unless an unanswered request leaves that open."""
        values = self.tags()
        here = values.get(tag, set())
        if len(here) != 1 or here == {ABSENT}:
            return
        (digest,) = here
        if any(digest in allowed and len(allowed) > 1 for allowed in values.values()):
            return
        try:
            self.delete_manifest(self.repository, digest, [name for name, allowed in values.items() if allowed == here])
        except Refused as refused:
            if refused.status != 409:  # an index may refer to it
                raise

    def tags(self) -> dict[str, set[str | None]]:
        """What each tag of this repository may hold."""
        keys = [key for key in self.journal.keys("tag") if key.repository == self.repository]
        return {key.name: self.journal.allowed(key) for key in keys}

    def prepare_pull(self) -> Callable[[], object]:
        tags = [name for name, allowed in self.tags().items() if len(allowed) == 1 and ABSENT not in allowed]
        return partial(self.pull, self.random.choice(tags)) if tags else self.prepare_push()

    def pull(self, tag: str) -> None:
        """Read an own tag and a layer while others write; wrong values and bytes go to `wrong`.

        A pull that is sent again may find that its tag was deleted since.
        """
        allowed = self.journal.allowed(Key("tag", self.repository, tag))
        expected = (200, 404) if ABSENT in allowed else (200,)
        answer = self.send(
            expected, "GET", f"/v2/{self.repository}/manifests/{tag}", {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
        )
        if answer.status == 404:
            return
        if digest_of(answer.body) not in allowed or answer.headers["Docker-Content-Digest"] != digest_of(answer.body):
            self.wrong.append(f"{self.repository}:{tag} is {answer.body[:200]!r}, may be {allowed}")
            return
        for layer in answer.json().get("layers", [])[:1]:
            got = self.send((200,), "GET", f"/v2/{self.repository}/blobs/{layer['digest']}")
            if digest_of(got.body) != layer["digest"]:
                self.wrong.append(f"blob {layer['digest']} came as {len(got.body)} wrong bytes")


def describe(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def image(config: bytes, layers: list[bytes], **more: object) -> bytes:
    """The bytes of an OCI image manifest."""
    described = [describe(layer, OCI_LAYER) for layer in layers]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": describe(config, OCI_CONFIG),
        "layers": described,
    }
    return json.dumps({**document, **more}).encode()


def push_base(address: str, journal: Journal, count: int = 3) -> None:
    """Fill BASE with layers to mount, held there by a manifest."""
    client = Journalled(address, journal)
    layers = [journal.new_content(30_000)[1] for _ in range(count)]
    for data in [*layers, b"{}"]:
        client.upload(BASE, data)
    client.put_manifest(BASE, "latest", image(b"{}", layers))
    client.http.close()
