"""A full disk can be left again: what grows is refused in time, and what frees room or has to go on works, also when
not one byte is left.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.disks import Tmpfs, need_disks
from tests.faults.test_full_disk import fill_to_the_brim
from tests.support.http import OCI_MANIFEST, OCTETS, Client, Response, digest_of, image_manifest
from tests.support.people import As, People, basic
from tests.support.server import Registry

REPOSITORY = "ann/app"
CONFIG, LAYER = b"{}", os.urandom(100_000)


@pytest.fixture(params=["one disk", "two disks"])
def full_soon(request, tmp_path) -> Iterator[tuple[Registry, Path]]:
    """A registry with two users on a disk of 24 MiB that is full soon, or with the database alone on it; and where that
    disk is.
    """
    need_disks()
    with Tmpfs(tmp_path / "disk", "24m") as disk:
        settings = {"gc_interval": 86400, "gc_grace": 0, "gc_lease": 86400}
        if request.param == "two disks":
            settings["database_url"] = f"sqlite:{disk.where}/db/registry.db"
        registry = Registry(
            tmp_path / "data" if request.param == "two disks" else disk.where / "data", workers=2, **settings
        )
        registry.log, registry.output = tmp_path / "log", tmp_path / "out"
        registry.root.parent.mkdir(parents=True, exist_ok=True)
        registry.start()
        try:
            yield registry, disk.where
            registry.stop()
        finally:
            registry.kill()


def people(registry: Registry) -> tuple[People, As]:
    folk = People(registry)
    htpasswd = registry.log.with_name("htpasswd")
    htpasswd.write_text("".join(f"{name}:{{SHA}}L55TUjtiq8FBorTWAZ0jy6g129A=\n" for name in ("ann", "bob")))
    folk.command("user", "import", "--htpasswd", str(htpasswd))
    return folk, As(registry.address, basic("ann"))


def manifest(number: int, size: int) -> bytes:
    return json.dumps(
        image_manifest(CONFIG, [LAYER], annotations={"n": str(number), "fill": os.urandom(size // 2).hex()})
    ).encode()


class Filler:
    """Pushes of each kind, and what came of them."""

    def __init__(self, client: Client):
        self.client = client
        self.manifests: list[str] = []
        self.blobs: list[str] = []
        self.sessions: list[str] = []
        self.refused = 0

    def kinds(self) -> list[Callable[[int], Response]]:
        return [
            lambda n: self.manifest(n, 4_000_000),
            lambda n: self.blob(os.urandom(700_000)),
            lambda n: self.blob(os.urandom(30_000)),
            lambda n: self.manifest(n, 20_000),
            lambda n: self.session(),
            lambda n: self.manifest(n, 200),
        ]

    def fill(self, most: int) -> None:
        """Each kind until it is refused five times in a row, or so often."""
        for number, push in enumerate(self.kinds()):
            row = 0
            for attempt in range(most):
                answer = push(1000 * number + attempt)
                assert answer.status in (201, 202, 507), f"{answer.status} {answer.body!r}"
                row = row + 1 if answer.status == 507 else 0
                self.refused += answer.status == 507
                if row == 5:
                    break

    def manifest(self, number: int, size: int) -> Response:
        body = manifest(number, size)
        answer = self.client.request(
            "PUT", f"/v2/{REPOSITORY}/manifests/t{number}", {"Content-Type": OCI_MANIFEST}, body
        )
        self.manifests += [digest_of(body)] if answer.status == 201 else []
        return answer

    def blob(self, data: bytes) -> Response:
        answer = self.client.request(
            "POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={digest_of(data)}", {"Content-Type": OCTETS}, data
        )
        self.blobs += [digest_of(data)] if answer.status == 201 else []
        return answer

    def session(self) -> Response:
        answer = self.client.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
        self.sessions += [answer.location] if answer.status == 202 else []
        return answer

    def empty(self) -> list[int]:
        """Delete all that was pushed; the statuses."""
        statuses = [self.client.delete(location).status for location in self.sessions]
        statuses += [self.client.delete(f"/v2/{REPOSITORY}/manifests/{digest}").status for digest in self.manifests]
        statuses += [self.client.delete(f"/v2/{REPOSITORY}/blobs/{digest}").status for digest in self.blobs]
        self.manifests, self.blobs, self.sessions = [], [], []
        return statuses


def begin(registry: Registry) -> tuple[People, As, Filler]:
    folk, ann = people(registry)
    for data in (CONFIG, LAYER):
        ann.push_blob(REPOSITORY, data)
    return folk, ann, Filler(ann)


def must_go_on(registry: Registry, folk: People, filler: Filler) -> None:
    """Logging in, also for the first time and with a wrong password; pulling; commands."""
    with As(registry.address, basic("bob")) as bob:
        bob.get("/v2/").expect(200)
    with Client(registry.address) as nobody:
        nobody.get("/v2/", basic("bob", "wrong password")).expect(401)
        assert nobody.get("/token?service=dockboard-registry", basic("bob")).status == 200
    filler.client.pull_manifest(REPOSITORY, filler.manifests[0])
    for digest in (digest_of(LAYER), *filler.blobs[:1], *filler.blobs[-1:]):
        filler.client.pull_blob(REPOSITORY, digest)
    folk.told("a long enough passphrase", "user", "add", "carl", "--password-stdin")
    folk.told("another long passphrase", "user", "passwd", "carl", "--password-stdin")
    folk.command("user", "disable", "carl")
    for order in ("gc", "check"):
        assert json.loads(folk.command(order, "--json")).get("ok", True)


def test_what_clients_filled_they_empty_and_fill_again(full_soon, figures):
    registry, _ = full_soon
    folk, ann, filler = begin(registry)
    filler.fill(200)
    for _ in range(40):
        filler.fill(1)
    pushed = len(filler.manifests) + len(filler.blobs) + len(filler.sessions)
    must_go_on(registry, folk, filler)
    statuses = filler.empty()
    assert set(statuses) <= {202, 204}, statuses
    assert json.loads(folk.command("gc", "--json"))["bytes"] >= 0
    again = Filler(ann)
    assert [push(90_000 + number).status for number, push in enumerate(again.kinds())] == [201, 201, 201, 201, 202, 201]
    figures.add(
        pushed=pushed,
        refused=filler.refused,
        deleted=len(statuses),
        failed_deletes=sum(status >= 500 for status in statuses),
    )
    print(
        f"pushed {pushed}, refused {filler.refused}, deleted {len(statuses)}, of these refused"
        f" {sum(status >= 500 for status in statuses)}"
    )


def test_everything_is_deleted_on_a_disk_that_somebody_else_filled(full_soon, figures):
    registry, disk = full_soon
    folk, ann, filler = begin(registry)
    for number in range(60):
        filler.manifest(number, 20_000).expect(201)
        filler.blob(os.urandom(20_000)).expect(201)
    fill_to_the_brim(disk / "by-somebody-else")
    for _ in range(10):
        filler.fill(1)
    must_go_on(registry, folk, filler)
    statuses = filler.empty()
    assert set(statuses) <= {202, 204}, statuses
    (disk / "by-somebody-else").unlink()
    folk.command("gc", "--json")
    assert [push(90_000 + number).status for number, push in enumerate(filler.kinds())] == [
        201,
        201,
        201,
        201,
        202,
        201,
    ]
    figures.add(deleted=len(statuses))
    assert json.loads(folk.command("check", "--json"))["ok"]
