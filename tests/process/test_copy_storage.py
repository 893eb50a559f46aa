"""`copy-storage`: the blobs of a registry that is pushed to move to another store, and back."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from tests.support import mariadb, object_stores
from tests.support.http import Client, digest_of, with_query
from tests.support.rounds import LONG
from tests.support.server import Registry, wait_for
from tests.support.store_proxy import StoreProxy

pytestmark = pytest.mark.edge
QUICK = {"gc_interval": 86400, "gc_grace": 0, "gc_lease": 0, "gc_upload_expiry": 0, "auth_anonymous": "push"}
PART = 8 << 20
# A long round kills at each place, an ordinary one at every second place.
STEP = 1 if LONG else 2


def layer(seed: int, size: int = 100_000) -> bytes:
    return random.Random(seed).randbytes(size)


class Bucket:
    """A place in an object store, and the flags and options that name it."""

    def __init__(self, proxy: StoreProxy | None = None):
        self.store = object_stores.shared("versitygw")
        self.name = self.store.make()
        endpoint = proxy.endpoint if proxy else ""
        self.settings = {**self.store.settings(self.name, "hub", endpoint), "storage_redirect": "false"}
        self.url = self.settings["storage_url"]
        self.keys = {name: self.settings[name] for name in ("storage_access_key", "storage_secret_key")}

    def objects(self) -> set[str]:
        bucket = self.store.bucket(self.name)
        return {found.name.rpartition("/")[2] for page in bucket.objects("hub/blobs/") for found in page}


@pytest.fixture
def registry(tmp_path):
    made = Registry(tmp_path / "data", **QUICK)
    yield made
    made.kill()


def copy(registry: Registry, target: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return registry.run("copy-storage", "--to", target, *flags)


def well(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0 and "Traceback" not in done.stderr, done
    return done.stdout


def must_be_whole(registry: Registry, images: dict[str, list[bytes]], repository: str = "app") -> None:
    with Client(registry.address) as client:
        for tag, layers in images.items():
            assert client.pull_image(repository, tag) == layers
    assert json.loads(well(registry.run("check", "--storage", "--read", "--json")))["found"] == 0
    well(registry.run("check"))


class Pushing:
    """A client that pushes images, and deletes every third one, until it is told to stop. images: those that stay."""

    def __init__(self, registry: Registry, repository: str = "app"):
        self._address, self._stopping, self._repository = registry.address, threading.Event(), repository
        self.images: dict[str, list[bytes]] = {}
        self.errors: list[str] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            self._push(
                f"v{number}", [self._repository.encode() + layer(number, 60_000), b"small %d" % number], number % 3 == 0
            )

    def _push(self, tag: str, layers: list[bytes], delete: bool) -> None:
        try:
            with Client(self._address) as client:
                digest = client.push_image(self._repository, tag, layers)
                if delete:
                    client.delete(f"/v2/{self._repository}/manifests/{digest}").expect(202)
                else:
                    self.images[tag] = layers
        except AssertionError as error:
            # Pushes of layers are refused while the store is switched, and afterwards.
            self.refused += "503, not" in str(error) or "404, not" in str(error)
            # Without a lease the collector takes blobs away before their manifest comes.
            if not any(word in str(error) for word in ("503, not", "404, not", "MANIFEST_BLOB_UNKNOWN")):
                self.errors.append(str(error))

    def __enter__(self) -> Pushing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        assert self.errors == []


def test_the_blobs_move_to_a_bucket_while_clients_push_and_back(registry, tmp_path):
    bucket = Bucket()
    registry.configure(**bucket.keys)
    with registry:
        with Pushing(registry) as pushing:
            wait_for(lambda: len(pushing.images) > 5, 60, "some images")
            assert "nothing else has changed" in well(copy(registry, bucket.url))
            wait_for(lambda: len(pushing.images) > 10, 60, "more images")
            well(registry.run("gc"))
            assert "it is the registry's store now" in well(copy(registry, bucket.url, "--switch"))
            wait_for(lambda: pushing.refused > 1, 30, "a refused push")
        must_refuse_as_the_old_one(registry, pushing.images)
    moved = Registry(registry.root, **QUICK)
    moved.configure(**bucket.settings)
    with moved:
        must_be_whole(moved, pushing.images)
        with Client(moved.address) as client:
            client.push_image("app", "later", [layer(1000)])
        pushing.images["later"] = [layer(1000)]
        well(moved.run("gc"))
        must_be_whole(moved, pushing.images)
        assert json.loads(well(moved.run("check", "--storage", "--json")))["keys"] == len(bucket.objects())
        back = str(tmp_path / "data")
        assert "storage.root" in well(copy(moved, back, "--switch"))
    with registry:
        must_be_whole(registry, pushing.images)


def must_refuse_as_the_old_one(registry: Registry, images: dict[str, list[bytes]]) -> None:
    """A server that still has the old store gives what was there before, and takes only what needs no store."""
    with Client(registry.address) as client:
        for tag, layers in images.items():
            assert client.pull_image("app", tag) == layers
        location = client.start_upload("app")
        answer = client.request("PUT", with_query(location, digest=digest_of(layer(7))), {}, layer(7))
        assert (answer.status, answer.code(), answer.headers["Retry-After"]) == (503, "UNAVAILABLE", "30")
        assert "does not use their new store yet" in answer.body.decode()
        client.push_blob("app", b"a small blob is a row of the database")
        assert "the blobs were moved to another store" in client.get("/readyz").expect(200).body.decode()
    for command in ("gc", "check", "copy-storage"):
        done = registry.run(command, *(["--to", str(registry.root.parent / "other")] if "-" in command else []))
        assert done.returncode == 2 and "the blobs were moved from this store to s3://" in done.stderr, done


def due_for(registry: Registry, job: str) -> float:
    """For how many seconds a job has been due; -inf before its first run."""
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        row = database.execute("SELECT due_at FROM jobs WHERE name = ?", (job,)).fetchone()
    database.close()
    return time.time() - row[0] / 1000 if row else float("-inf")


def test_a_server_with_the_old_store_neither_starts_nor_collects(registry, tmp_path):
    other = tmp_path / "other"
    registry.configure(gc_interval=1)
    with registry, Client(registry.address) as client:
        digest = client.push_image("app", "v1", [layer(1)])
        wait_for(lambda: due_for(registry, "collect") > -60, 30, "the first round of collecting")
        well(copy(registry, str(other), "--switch"))
        client.delete(f"/v2/app/manifests/{digest}").expect(202)
        # Workers look for due jobs once a second here.
        wait_for(lambda: due_for(registry, "collect") > 3, 30, "a round of collecting that nobody began")
        assert client.get("/readyz").expect(200).body.decode().count("\n") == 2  # no job has failed
        stored = [path for path in (registry.root / "blobs").rglob("*") if path.is_file()]
        assert [path.read_bytes() for path in stored] == [layer(1)]
    with pytest.raises(AssertionError, match=f"were moved from this store to {other}"):
        registry.start()


def test_a_backup_from_before_the_move_is_refused_until_it_takes_the_store(registry, tmp_path):
    other, backup = tmp_path / "other", tmp_path / "backup" / "registry.db"
    with registry, Client(registry.address) as client:
        client.push_image("app", "v1", [layer(1)])
    backup.parent.mkdir()
    shutil.copy(registry.root / "registry.db", backup)
    well(copy(registry, str(other), "--switch"))
    restored = Registry(other, database_url=f"sqlite:{backup}", **QUICK)
    with pytest.raises(AssertionError, match="a backup from before the move.*take-store"):
        restored.start()
    well(restored.run("take-store"))
    with restored:
        must_be_whole(restored, {"v1": [layer(1)]})
    late = Registry(other, database_url=f"sqlite:{registry.root}/registry.db", **QUICK)
    with pytest.raises(AssertionError, match="take-store"):
        late.start()


def test_the_next_start_ends_a_switch_that_was_killed_at_its_end(registry, tmp_path):
    other = tmp_path / "other"
    with registry, Client(registry.address) as client:
        client.push_image("app", "v1", [layer(1)])
        well(copy(registry, str(other), "--switch"))
        marker = other / "store-id"
        whole = marker.read_text()
        marker.write_text(f"copying.{whole}")
        with Client(registry.address) as late:
            location = late.start_upload("app")
            late.request("PUT", with_query(location, digest=digest_of(layer(2))), {}, layer(2)).expect(503)
    with Registry(other, database_url=f"sqlite:{registry.root}/registry.db", **QUICK) as moved:
        must_be_whole(moved, {"v1": [layer(1)]})
        assert marker.read_text() == whole


def test_two_nodes_on_mariadb_move_from_one_bucket_to_another(tmp_path):
    old, new = Bucket(), Bucket()
    first = Registry(tmp_path / "one" / "data", 1, database="mysql", **{**QUICK, **old.settings})
    second = first.sibling()
    second.configure(storage_root=tmp_path / "two" / "data")
    second.root, second.log = tmp_path / "two" / "data", tmp_path / "two.log"
    with first, second:
        with Pushing(first) as one, Pushing(second, "other") as two:
            wait_for(lambda: len(one.images) > 3 and len(two.images) > 3, 60, "some images")
            with Client(second.address) as client:
                location = client.start_upload("app")
                client.request("PATCH", location, {}, layer(1, 9 << 20)).expect(202)
            assert "it is the registry's store now" in well(copy(first, new.url, "--switch"))
            wait_for(lambda: one.refused and two.refused, 30, "a refused push at each node")
        with Client(second.address) as client:
            client.get(location).expect(404)
    for node in (first, second):
        node.configure(**new.settings)
    with first, second:
        must_be_whole(first, one.images)
        must_be_whole(second, two.images, "other")
        well(second.run("gc"))
    rows = mariadb.query(mariadb.shared().url(first.database), "SELECT storage_key FROM blobs WHERE size > 32768")
    assert new.objects() == {key for (key,) in rows}


def test_a_store_that_is_not_filled_yet_is_refused(registry, tmp_path):
    with registry, Client(registry.address) as client:
        client.push_image("app", "v1", [layer(1)])
        well(copy(registry, str(tmp_path / "other")))
    early = Registry(tmp_path / "other", database_url=f"sqlite:{registry.root}/registry.db", **QUICK)
    with pytest.raises(AssertionError, match="copy-storage has not finished this store"):
        early.start()
    done = early.run("take-store")
    assert done.returncode == 2 and "it lacks blobs" in done.stderr
    with registry:
        must_be_whole(registry, {"v1": [layer(1)]})


@contextmanager
def copying(registry: Registry, target: str, *flags: str):
    """The command under way."""
    command = [*registry._command, "copy-storage", "--to", target, *flags]
    process = subprocess.Popen(
        command, env=registry.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_copy_goes_on_where_it_was(registry):
    """Killed at requests in turn that change the bucket: before the store has done it, or afterwards."""
    bucket_store = object_stores.shared("versitygw")
    with StoreProxy(bucket_store.port) as proxy:
        bucket = Bucket(proxy)
        registry.configure(**bucket.keys)
        layers = [layer(1), layer(2), layer(3, PART + 5), layer(4)]
        with registry, Client(registry.address) as client:
            client.push_image("app", "v1", layers)
            number, killed = 1, True
            while killed:
                killed = killed_at(registry, bucket, proxy, number, number // STEP % 2 == 0)
                number += STEP
            assert number > 6
            proxy.asked.clear()
            well(copy(registry, bucket.url))
            assert [verb for verb in proxy.verbs() if not verb.startswith("GET")] == ["PUT"], "only the marker"
            well(copy(registry, bucket.url, "--switch"))
        moved = Registry(registry.root, **{**QUICK, **bucket.settings})
        with moved:
            must_be_whole(moved, {"v1": layers})
            well(moved.run("gc"))
        assert len(bucket.objects()) == 4
        uploads = bucket_store.bucket(bucket.name).uploads("hub/blobs/")
        assert [found for page in uploads for found in page] == []


def killed_at(registry: Registry, bucket: Bucket, proxy: StoreProxy, number: int, done: bool) -> bool:
    """Whether there was a request with this number."""
    left = number

    def fault(asked):
        nonlocal left
        left -= asked.method != "GET" and asked.method != "HEAD"
        return killing if left == 0 else None

    def killing(client, ask) -> None:
        proxy.fault = lambda asked: None
        if done:
            ask()
        process.kill()
        process.wait()
        raise ConnectionError

    with copying(registry, bucket.url, "--at-once", "1") as process:
        proxy.fault = fault
        process.communicate()
        proxy.fault = lambda asked: None
        return process.returncode == -9


@pytest.mark.parametrize("call", ["fdatasync", "rename", "pwrite64"])
def test_a_copy_to_a_directory_survives_a_kill_at_any_call(registry, tmp_path, call):
    other = tmp_path / "other"
    with registry, Client(registry.address) as client:
        client.push_image("app", "v1", [layer(number) for number in range(5)])
        for number in range(1, 40, STEP):
            trace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
            trace += ["-e", f"inject={call}:signal=KILL:when={number}"]
            command = [*trace, *registry._command, "copy-storage", "--to", str(other)]
            done = subprocess.run(command, env=registry.environment(), capture_output=True, text=True, timeout=60)
            if done.returncode == 0:
                break
        assert 1 < number < 39, done
        well(copy(registry, str(other), "--switch"))
    moved = Registry(other, database_url=f"sqlite:{registry.root}/registry.db", **QUICK)
    with moved:
        must_be_whole(moved, {"v1": [layer(number) for number in range(5)]})


def test_a_switch_survives_a_kill_at_any_sync(registry, tmp_path):
    """Of the database, and of the files of the other store."""
    other = tmp_path / "other"
    with registry, Client(registry.address) as client:
        client.push_image("app", "v0", [layer(0)])
        for number in range(1, 60, STEP):
            client.push_image("app", f"v{number}", [b"small %d" % number])
            trace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync,fsync"]
            trace += ["-e", f"inject=fdatasync,fsync:signal=KILL:when={number}"]
            command = [*trace, *registry._command, "copy-storage", "--to", str(other), "--switch"]
            done = subprocess.run(command, env=registry.environment(), capture_output=True, text=True, timeout=60)
            if done.returncode == 0 or "were moved from this store" in done.stderr:
                break
        assert 3 < number < 59, done
    with Registry(other, database_url=f"sqlite:{registry.root}/registry.db", **QUICK) as moved:
        small = {f"v{each}": [b"small %d" % each] for each in range(1, number + 1, STEP)}
        must_be_whole(moved, {"v0": [layer(0)], **small})


def test_damaged_blobs_are_named_and_hold_up_the_switch(registry, tmp_path):
    other = tmp_path / "other"
    registry.configure(gc_lease=86400)  # the first round of collecting leaves blobs that no manifest needs
    with registry, Client(registry.address) as client:
        client.push_image("app", "v1", [layer(1)])
        rotten, lost = client.push_blob("app", layer(2)), client.push_blob("app", layer(3))
        by_size = {path.read_bytes(): path for path in (registry.root / "blobs").rglob("*") if path.is_file()}
        by_size[layer(2)].write_bytes(layer(4))
        by_size[layer(3)].unlink()
        done = copy(registry, str(other), "--switch")
        assert done.returncode == 1 and "the store was not switched" in done.stdout
        assert f"not copied: blob with other bytes {rotten}" in done.stdout
        assert f"not copied: blob without bytes {lost}" in done.stdout
        client.push_blob("app", layer(3))
        done = copy(registry, str(other), "--switch", "--without-damaged")
        assert done.returncode == 0 and "it is the registry's store now" in done.stdout, done
        assert f"set database.url to sqlite:{registry.root}/registry.db" in done.stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("{root}", "is the store in use"),
        ("{used}", "is the store in use, or has files of another registry"),
        ("s3://bucket?endpont=http://127.0.0.1:1", "did you mean endpoint"),
        ("s3://bucket?endpoint=http://127.0.0.1:1", "--to: storage.url needs storage.access_key"),
        ("", "--to"),
    ],
)
def test_a_wrong_target_is_refused(registry, tmp_path, target, words):
    used = Registry(tmp_path / "used", **QUICK)
    for each in (registry, used):
        assert each.prepare("migrate").returncode == 0
    done = copy(registry, target.format(root=registry.root, used=used.root))
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, done
    done = copy(registry, str(tmp_path / "new"), "--at-once", "9")
    assert done.returncode == 2 and "--at-once must be 1 to 8" in done.stderr
    assert not (tmp_path / "used" / "store-id").read_text().startswith("copying")
