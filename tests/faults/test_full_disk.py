"""A disk that fills up: honest errors, reads and deletes go on, and pushes too once there is room again."""

import json

import pytest

from tests.faults.disks import Tmpfs, need_disks
from tests.faults.journal import Journal, Refused
from tests.faults.verifier import command, residue, verify
from tests.faults.workload import UPLOADS, Journalled, Unanswered, image
from tests.support.rounds import LONG
from tests.support.server import Registry

REPOSITORY = "full/app"
LAYER = 700_000


@pytest.fixture
def small_disk(tmp_path):
    need_disks()
    with Tmpfs(tmp_path / "disk", "24m") as disk:
        yield disk


def fill(client: Journalled, style: str) -> tuple[list[str], Unanswered]:
    """Push images until one is refused; the tags pushed and the refusal."""
    tags: list[str] = []
    for number in range(200):
        layer = client.journal.new_content(LAYER)[1]
        config = json.dumps({"number": number}).encode()
        try:
            for data in (layer, config):
                client.upload(REPOSITORY, data, style)
            client.put_manifest(REPOSITORY, f"tag-{number}", image(config, [layer]))
        except Unanswered as refusal:
            return tags, refusal
        tags.append(f"tag-{number}")
    raise AssertionError("200 images of 700 kB fit into 24 MiB")


@pytest.mark.parametrize("reserve", [-1, 0], ids=["reserve", "no reserve"])
@pytest.mark.parametrize("style", UPLOADS if LONG else UPLOADS[::3])
def test_full_disk(small_disk, tmp_path, style, reserve, figures):
    registry = Registry(small_disk.where / "data", workers=2, storage_reserve=reserve, gc_interval=86400)
    registry.log, registry.output = tmp_path / "log", tmp_path / "out"
    registry.start()
    try:
        client = Journalled(registry.address, Journal(tmp_path / "journal"))
        tags, refusal = fill(client, style)
        must_be_honest(refusal, registry)
        assert verify(registry, client.journal) == []
        if reserve != 0:
            make_room(client, registry, tags)
            assert fill(client, style)[0] != [], "no push succeeded after room was made"
        figures.add(rounds=1, acknowledged=client.journal.acknowledged)
        assert verify(registry, client.journal) + residue(registry) == []
        registry.stop()
    finally:
        registry.kill()


def must_be_honest(refusal: Unanswered, registry: Registry) -> None:
    """507 with words for the user, and nothing about the server's directories."""
    assert refusal.status == 507, str(refusal)
    error = json.loads(refusal.body)["errors"][0]
    assert error["message"].startswith("service unavailable: ") and "free space" in error["message"]
    assert str(registry.root).encode() not in refusal.body and b"/blobs/" not in refusal.body


def make_room(client: Journalled, registry: Registry, tags: list[str]) -> None:
    """Delete most images and their layers, then collect."""
    for tag in tags[1:]:
        manifest = client.send((200,), "GET", f"/v2/{REPOSITORY}/manifests/{tag}").json()
        digest = client.send((200,), "HEAD", f"/v2/{REPOSITORY}/manifests/{tag}").headers["Docker-Content-Digest"]
        client.delete_manifest(REPOSITORY, digest, [tag])
        client.delete_blob(REPOSITORY, manifest["layers"][0]["digest"])
    result = command(registry, "gc", "--json", gc_grace=0)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["bytes"] > 0


def test_disk_filled_by_somebody_else(small_disk, tmp_path, figures):
    """Not one byte is left, not even for the database: nothing acknowledged is lost, pulls work, and it heals by
    itself.
    """
    registry = Registry(small_disk.where / "data", workers=2, gc_interval=86400)
    registry.log, registry.output = tmp_path / "log", tmp_path / "out"
    registry.start()
    ballast = small_disk.where / "ballast"
    try:
        client = Journalled(registry.address, Journal(tmp_path / "journal"))
        layer = client.journal.new_content(LAYER)[1]
        for number in range(rounds_of_filling := 3):
            client.upload(REPOSITORY, layer)
            client.upload(REPOSITORY, b"{}")
            client.put_manifest(REPOSITORY, f"before-{number}", image(b"{}", [layer], annotations={"n": str(number)}))
            fill_to_the_brim(ballast)
            refused = refusals(client, number)
            assert refused and all(status == 507 for status in refused), refused
            read_everything(client, number)
            ballast.unlink()
            assert verify(registry, client.journal) == []
            client.put_manifest(REPOSITORY, f"after-{number}", image(b"{}", [layer]))
        figures.add(rounds=rounds_of_filling, acknowledged=client.journal.acknowledged)
        assert verify(registry, client.journal) + residue(registry) == []
        registry.stop()
    finally:
        registry.kill()


def fill_to_the_brim(ballast) -> None:
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def refusals(client: Journalled, number: int) -> list[int]:
    """Statuses of the pushes and deletes that did not find room; some small ones may still succeed."""
    found = []
    for attempt in range(60):
        body = image(b"{}", [], annotations={"n": f"{number}-{attempt}", "fill": "x" * 20_000})
        try:
            client.put_manifest(REPOSITORY, f"full-{number}-{attempt}", body)
            client.upload(REPOSITORY, client.journal.new_content(LAYER)[1])
        except (Unanswered, Refused) as error:
            found.append(error.status)
    return found


def read_everything(client: Journalled, number: int) -> None:
    answer = client.send((200,), "GET", f"/v2/{REPOSITORY}/manifests/before-{number}")
    for layer in answer.json()["layers"]:
        client.send((200,), "GET", f"/v2/{REPOSITORY}/blobs/{layer['digest']}")
