"""Clients that ask several nodes for the same few tags, blobs and uploads at the same time; everything goes into a
history.
"""

import json
import random
import threading
import time
from collections import deque
from collections.abc import Sequence

from tests.faults.history import History, Operation
from tests.faults.workload import NO_ANSWER, UPLOADS, image
from tests.support.http import OCI_MANIFEST, OCTETS, Client, Response, digest_of, with_query

REPOSITORIES = ("left", "right")
TAGS = ("one", "two", "three")
SIZES = (100, 700, 5_000, 9_000, 20_000, 40_000, 70_000, 300_000)
"""Of the blobs that all push. The larger ones go in and out by other ways than the small ones."""
CHUNKS = 3
CHUNK = 700
SESSIONS = 2
"""Uploads that are open at the same time, and that all clients feed."""


class Unexpected(Exception):
    """An answer that is none: a 5xx, or a refusal on the way to the request that is recorded."""


class Upload:
    """A session that all clients know: where it is, and the bytes that were acknowledged so far."""

    def __init__(self, repository: str, location: str):
        self.repository, self.location = repository, location
        self.id = location.partition("?")[0].rpartition("/")[2]
        self.content = b""


class Board:
    """What the clients of one seed tell each other. None of it decides what is right; it only makes them meet.

    quiet: repository and digest of blobs that are only asked for once they are there, so that a lease ends now and
    then.
    """

    def __init__(self, seed: int, lease: float):
        self.history = History(lease)
        self.seed = seed
        self.blobs = [random.Random(f"{seed} {size}").randbytes(size) for size in SIZES]
        self.repositories = [f"race{seed}/{name}" for name in REPOSITORIES]
        self.manifests: dict[str, dict[str, bytes]] = {name: {} for name in self.repositories}
        self.uploads: list[Upload] = []
        self.quiet: deque[tuple[str, str]] = deque(maxlen=20)
        self.lock = threading.Lock()
        self.over = threading.Event()

    def manifest_of(self, repository: str, chance: random.Random) -> str | None:
        """The digest of a manifest that may be there."""
        with self.lock:
            known = list(self.manifests[repository])
        return chance.choice(known) if known else None


class Racer(threading.Thread):
    """Does `count` random operations or, when the board says that it is over, fewer; each at a random one of the
    addresses.

    What went wrong otherwise than by its answer is in `errors`. `weights` says how often each way is chosen, WEIGHTS
    where it is not given.
    """

    def __init__(self, number: int, addresses: Sequence[str], board: Board, count: int, weights: dict | None = None):
        super().__init__()
        self.clients = [Client(address) for address in addresses]
        self.board, self.history, self.count = board, board.history, count
        self.weights = weights or WEIGHTS
        self.random = random.Random(board.seed * 1000 + number)
        self.name = f"racer{number}"
        self.made = self.unanswered = 0
        self.errors: list[str] = []

    def run(self) -> None:
        ways, weights = list(self.weights), list(self.weights.values())
        for _ in range(self.count):
            if self.board.over.is_set():
                break
            try:
                self.random.choices(ways, weights)[0](self, self.random.choice(self.board.repositories))
            except (Unexpected, *NO_ANSWER):
                self.unanswered += 1
                self.board.over.wait(0.02)
            except Exception as error:
                self.errors.append(repr(error))
        for client in self.clients:
            client.close()

    def ask(
        self, operation: Operation, method: str, path: str, headers: dict = {}, body: bytes | None = None
    ) -> Response:
        """Send the request of an operation and note its status."""
        answer = self.random.choice(self.clients).request(method, path, headers, body)
        if answer.status >= 500:
            operation.seen = f"{answer.status} {answer.body[:300]!r}"
            raise Unexpected(operation.seen)
        operation.status = answer.status
        return answer

    def put(self, repository: str) -> None:
        """A manifest of new content, under one tag or two at once."""
        config, layer = self.random.sample(self.board.blobs, 2)
        self.made += 1
        body = image(config, [layer], annotations={"org.example.by": f"{repository} {self.name} {self.made}"})
        self.put_body(repository, body, tuple(self.random.sample(TAGS, self.random.choice((1, 1, 1, 2)))))

    def put_again(self, repository: str) -> None:
        """A manifest that may be there already, under another tag."""
        digest = self.board.manifest_of(repository, self.random)
        body = self.board.manifests[repository].get(digest or "")
        if body:
            self.put_body(repository, body, (self.random.choice(TAGS),))

    def put_body(self, repository: str, body: bytes, tags: tuple[str, ...]) -> None:
        document, digest = json.loads(body), digest_of(body)
        parts = (document["config"]["digest"], *(layer["digest"] for layer in document["layers"]))
        path = f"/v2/{repository}/manifests/{tags[0] if len(tags) == 1 else with_query(digest, tag=','.join(tags))}"
        with self.history.operation("put", repository, digest, tags=tags, parts=parts) as operation:
            answer = self.ask(operation, "PUT", path, {"Content-Type": OCI_MANIFEST}, body)
            if answer.status == 400:
                error = answer.json()["errors"][0]
                operation.seen = error["detail"]["digests"] if error["code"] == "MANIFEST_BLOB_UNKNOWN" else error
        if operation.status == 201:
            with self.board.lock:
                self.board.manifests[repository][digest] = body

    def get_tag(self, repository: str) -> None:
        self.get(repository, self.random.choice(TAGS))

    def get_digest(self, repository: str) -> None:
        self.get(repository, self.board.manifest_of(repository, self.random) or digest_of(b""))

    def get(self, repository: str, name: str) -> None:
        method = self.random.choice(("GET", "HEAD"))
        with self.history.operation("get", repository, name) as operation:
            answer = self.ask(operation, method, f"/v2/{repository}/manifests/{name}", {"Accept": OCI_MANIFEST})
            if answer.status == 200:
                operation.seen = answer.headers["Docker-Content-Digest"]
                if method == "GET" and digest_of(answer.body) != operation.seen:
                    operation.seen = "other bytes"

    def list_tags(self, repository: str) -> None:
        with self.history.operation("list", repository) as operation:
            answer = self.ask(operation, "GET", f"/v2/{repository}/tags/list")
            operation.seen = answer.json()["tags"] if answer.status == 200 else []

    def untag(self, repository: str) -> None:
        tag = self.random.choice(TAGS)
        with self.history.operation("untag", repository, tag) as operation:
            self.ask(operation, "DELETE", f"/v2/{repository}/manifests/{tag}")

    def delete(self, repository: str) -> None:
        digest = self.board.manifest_of(repository, self.random)
        if digest is None:
            return
        with self.history.operation("delete", repository, digest) as operation:
            self.ask(operation, "DELETE", f"/v2/{repository}/manifests/{digest}")
        if self.random.random() < 0.7:  # others may try it again
            with self.board.lock:
                self.board.manifests[repository].pop(digest, None)

    def push(self, repository: str) -> None:
        """A blob that all push, in any form; the request that ends the upload is what counts."""
        data, style = self.random.choice(self.board.blobs), self.random.choice(UPLOADS)
        digest, base, step = digest_of(data), f"/v2/{repository}/blobs/uploads/", len(data) // 2
        if style == "post":
            method, location, rest = "POST", base, data
        else:
            method, location, rest = "PUT", self.begin(repository), data
        if style in ("patch", "chunks"):
            first = data if style == "patch" else data[:step]
            location, rest = self.feed(location, first), data[len(first) :]
        with self.history.operation("push", repository, digest) as operation:
            self.ask(operation, method, with_query(location, digest=digest), {"Content-Type": OCTETS}, rest)

    def push_quiet(self, repository: str) -> None:
        data = self.random.randbytes(self.random.choice(SIZES[:3]))
        digest = digest_of(data)
        with self.history.operation("push", repository, digest) as operation:
            path = with_query(f"/v2/{repository}/blobs/uploads/", digest=digest)
            self.ask(operation, "POST", path, {"Content-Type": OCTETS}, data)
        self.board.quiet.append((repository, digest))

    def visit_quiet(self, _: str) -> None:
        if self.board.quiet:
            repository, digest = self.random.choice(self.board.quiet)
            self.head_blob(repository, digest) if self.random.random() < 0.3 else self.pull_blob(repository, digest)

    def begin(self, repository: str) -> str:
        return self._unrecorded("POST", f"/v2/{repository}/blobs/uploads/", {}, b"").location

    def feed(self, location: str, data: bytes) -> str:
        return self._unrecorded("PATCH", location, {"Content-Type": OCTETS}, data).location

    def _unrecorded(self, *request) -> Response:
        answer = self.random.choice(self.clients).request(*request)
        if answer.status != 202:
            self.errors.append(f"{answer.method} {answer.path}: {answer.status} {answer.body[:300]!r}")
            raise Unexpected
        return answer

    def mount(self, repository: str) -> None:
        source = next(name for name in self.board.repositories if name != repository)
        digest = digest_of(self.random.choice(self.board.blobs))
        path = with_query(f"/v2/{repository}/blobs/uploads/", mount=digest, **{"from": source})
        with self.history.operation("mount", repository, digest, source=source) as operation:
            self.ask(operation, "POST", path)

    def head(self, repository: str) -> None:
        self.head_blob(repository, digest_of(self.random.choice(self.board.blobs)))

    def head_blob(self, repository: str, digest: str) -> None:
        with self.history.operation("head", repository, digest) as operation:
            self.ask(operation, "HEAD", f"/v2/{repository}/blobs/{digest}")

    def pull(self, repository: str) -> None:
        self.pull_blob(repository, digest_of(self.random.choice(self.board.blobs)))

    def pull_blob(self, repository: str, digest: str) -> None:
        with self.history.operation("pull", repository, digest) as operation:
            answer = self.ask(operation, "GET", f"/v2/{repository}/blobs/{digest}")
        if operation.status == 200 and digest_of(answer.body) != digest:
            self.errors.append(f"{len(answer.body)} bytes of another digest: {operation}")

    def drop(self, repository: str) -> None:
        digest = digest_of(self.random.choice(self.board.blobs))
        with self.history.operation("drop", repository, digest) as operation:
            self.ask(operation, "DELETE", f"/v2/{repository}/blobs/{digest}")

    def feed_together(self, repository: str) -> None:
        """The next step of an upload that all clients feed: a chunk of one's own bytes, a question, the end."""
        upload = self._upload(repository)
        start = len(upload.content)
        if self.random.random() < 0.2:
            self.ask_upload(upload)
        elif self.random.random() < 0.03:
            with self.history.operation("cancel", upload.repository, session=upload.id) as operation:
                self.ask(operation, "DELETE", upload.location)
            self._forget(upload, operation)
        elif start < CHUNKS * CHUNK:
            self.append(upload, start)
        else:
            digest = digest_of(upload.content)
            with self.history.operation("end", upload.repository, digest, session=upload.id) as operation:
                self.ask(operation, "PUT", with_query(upload.location, digest=digest), {}, b"")
            self._forget(upload, operation)
            self.pull_blob(upload.repository, digest)

    def _upload(self, repository: str) -> Upload:
        with self.board.lock:
            if len(self.board.uploads) >= SESSIONS:
                return self.random.choice(self.board.uploads)
        upload = Upload(repository, self.begin(repository))
        with self.board.lock:
            self.board.uploads.append(upload)
        return upload

    def _forget(self, upload: Upload, operation: Operation) -> None:
        """Sometimes late, so that others knock at an upload that is over."""
        with self.board.lock:
            if upload in self.board.uploads and (operation.status == 404 or self.random.random() < 0.5):
                self.board.uploads.remove(upload)

    def append(self, upload: Upload, start: int) -> None:
        chunk = self.random.randbytes(CHUNK)
        headers = {"Content-Type": OCTETS, "Content-Range": f"{start}-{start + CHUNK - 1}"}
        with self.history.operation(
            "append", upload.repository, session=upload.id, start=start, chunk=chunk
        ) as operation:
            self.ask(operation, "PATCH", upload.location, headers, chunk)
        if operation.status == 202:
            with self.board.lock:
                upload.content = upload.content[:start] + chunk
        elif operation.status == 404:
            self._forget(upload, operation)

    def ask_upload(self, upload: Upload) -> None:
        with self.history.operation("ask", upload.repository, session=upload.id) as operation:
            answer = self.ask(operation, "GET", upload.location)
            if answer.status == 204:
                last = int(answer.headers["Range"].partition("-")[2])
                operation.seen = last + 1 if last else 0
        if operation.status == 404:
            self._forget(upload, operation)

    def pause(self, repository: str) -> None:
        """Do nothing for a moment."""
        time.sleep(0.01)


WEIGHTS = {
    Racer.put: 13,
    Racer.put_again: 3,
    Racer.get_tag: 12,
    Racer.get_digest: 4,
    Racer.list_tags: 4,
    Racer.untag: 5,
    Racer.delete: 15,
    Racer.push: 11,
    Racer.mount: 7,
    Racer.head: 9,
    Racer.pull: 9,
    Racer.drop: 10,
    Racer.push_quiet: 2,
    Racer.visit_quiet: 9,
    Racer.feed_together: 14,
}
"""How often each is chosen; manifests go about as fast as they come, so that blobs are free to be collected."""


def look_at_all(racer: Racer, lists: bool = True) -> None:
    """Once more everything, when nobody writes any more."""
    for repository in racer.board.repositories:
        if lists:
            racer.list_tags(repository)
        for tag in TAGS:
            racer.get(repository, tag)
        for data in racer.board.blobs:
            racer.pull_blob(repository, digest_of(data))
