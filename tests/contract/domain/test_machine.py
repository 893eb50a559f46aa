"""Random histories: pushes, deletes, mounts, crashes and rounds of collection in any order, against a model of what was
promised.
"""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from dockboard_registry.errors import BlobUnknown, InUse, ManifestBlobUnknown, ManifestUnknown, RegistryError
from dockboard_registry.names import Reference
from dockboard_registry.storage import Saved, new_key
from tests.contract.domain.world import World, image, index, sha256
from tests.support import places

REPOSITORIES = st.sampled_from(["app", "other"])
DATA = st.sampled_from([b"config", b"one", b"two", b""])
WORKERS = st.integers(0, 1)
TAGS = st.sampled_from(["a", "b"])


class Histories(RuleBasedStateMachine):
    """Two workers of one registry, lease and grace 0, some blobs in the database.

    What a rule acknowledges must hold in every later state.
    """

    kinds: tuple = ()

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(prefix="dockboard-", dir=places.MEMORY)
        database, storage = (
            kind(Path(self.directory.name, part)) for kind, part in zip(self.kinds, ("database", "storage"))
        )
        self.world = World(database, storage, small=3)
        self.workers = [self.world.process(lease=0, grace=0, expiry=3600) for _ in range(2)]
        self.runner = asyncio.Runner()
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.sessions: list[tuple] = []

    def run(self, work):
        return self.runner.run(work)

    @rule(worker=WORKERS, repository=REPOSITORIES, data=DATA)
    def push_blob(self, worker, repository, data):
        self.run(self.workers[worker].push(data, repository))
        assert self.run(self.workers[1 - worker].pull(sha256(data), repository)) == data

    @rule(worker=WORKERS, repository=REPOSITORIES, data=DATA)
    def mount_blob(self, worker, repository, data):
        if self.run(self.workers[worker].blobs.mount(repository, sha256(data), None)):
            assert self.run(self.workers[worker].pull(sha256(data), repository)) == data

    @rule(worker=WORKERS, repository=REPOSITORIES, data=DATA)
    def ask_for_blob(self, worker, repository, data):
        try:
            assert self.run(self.workers[worker].promise(repository, sha256(data))).size == len(data)
        except BlobUnknown:
            assert not self.needed(repository, data)

    @rule(worker=WORKERS, repository=REPOSITORIES, data=DATA)
    def delete_blob(self, worker, repository, data):
        try:
            self.run(self.workers[worker].blobs.delete(repository, sha256(data)))
        except InUse:
            assert self.needed(repository, data)
        except BlobUnknown:
            pass
        else:
            assert not self.needed(repository, data)

    def needed(self, repository: str, data: bytes) -> bool:
        return any(owner == repository and sha256(data).encode() in body for (owner, _), body in self.manifests.items())

    @rule(worker=WORKERS, repository=REPOSITORIES, data=DATA, tag=TAGS, blobs_first=st.booleans())
    def push_image(self, worker, repository, data, tag, blobs_first):
        if blobs_first:
            for blob in (b"config", data):
                self.run(self.workers[worker].push(blob, repository))
        self.put(worker, repository, image(b"config", data), tag)
        assert not blobs_first or (repository, sha256(image(b"config", data))) in self.manifests

    @precondition(lambda self: self.manifests)
    @rule(worker=WORKERS, draw=st.data(), tag=TAGS, repository=REPOSITORIES)
    def push_index(self, worker, draw, tag, repository):
        chosen = draw.draw(st.lists(st.sampled_from(sorted(set(self.manifests.values()))), max_size=2, unique=True))
        self.put(worker, repository, index(*chosen), tag)

    def put(self, worker: int, repository: str, body: bytes, tag: str) -> None:
        try:
            digest = self.run(self.workers[worker].put(body, tag, repository=repository))
        except ManifestBlobUnknown:
            assert (repository, sha256(body)) not in self.manifests
        else:
            self.manifests[repository, digest] = body
            self.tags[repository, tag] = digest

    @precondition(lambda self: self.manifests)
    @rule(worker=WORKERS, draw=st.data())
    def delete_manifest(self, worker, draw):
        repository, digest = draw.draw(st.sampled_from(sorted(self.manifests)))
        same = [body for (owner, _), body in self.manifests.items() if owner == repository]
        parents = [body for body in same if b'"manifests"' in body and digest.encode() in body]
        try:
            self.run(self.workers[worker].manifests.delete(repository, digest))
        except InUse:
            assert parents
        else:
            assert not parents
            del self.manifests[repository, digest]
            self.tags = {key: value for key, value in self.tags.items() if (key[0], value) != (repository, digest)}

    @rule(repository=REPOSITORIES, data=DATA)
    def begin_upload(self, repository, data):
        self.sessions.append((self.run(self.workers[0].begun(data, repository=repository)), data))

    @precondition(lambda self: self.sessions)
    @rule(worker=WORKERS, draw=st.data(), more=DATA)
    def go_on_with_upload(self, worker, draw, more):
        number = draw.draw(st.integers(0, len(self.sessions) - 1))
        session, data = self.sessions[number]
        self.sessions[number] = self.run(self.workers[worker].sent(session, more)), data + more
        if more:
            self.write_late(1 - worker, session, more[::-1])

    @precondition(lambda self: self.sessions)
    @rule(worker=WORKERS, draw=st.data(), late=DATA, right=st.booleans())
    def finish_upload(self, worker, draw, late, right):
        session, data = self.sessions.pop(draw.draw(st.integers(0, len(self.sessions) - 1)))
        wanted = sha256(data if right else data + b"!")
        try:
            self.run(self.workers[worker].finish(session, wanted))
        except RegistryError as error:
            assert not right and error.code == "DIGEST_INVALID"
        else:
            assert right
            assert self.run(self.workers[worker].pull(wanted, session.repository)) == data
        self.write_late(worker, session, late)

    def write_late(self, worker: int, session, data: bytes) -> None:
        """A request that read the session long ago, and sends its bytes only now."""
        with pytest.raises(RegistryError):
            self.run(self.workers[worker].late(session, data or b"late"))

    @rule()
    def leave_a_stray(self):
        async def crash() -> None:
            upload = self.workers[0].storage.resume(new_key(), Saved(), 0)
            await upload.hold()
            await upload.write(b"stray")
            await upload.release()

        self.run(crash())

    @rule(worker=WORKERS)
    def collect(self, worker):
        self.run(self.workers[worker].collect())
        self.run(self.nothing_is_left_over())

    @rule()
    def collect_on_both(self):
        async def both() -> None:
            await asyncio.gather(*(worker.collect() for worker in self.workers))
            await self.workers[0].collect()

        self.run(both())
        self.run(self.nothing_is_left_over())

    async def nothing_is_left_over(self) -> None:
        worker = self.workers[0]
        named = await worker.db.scan(
            lambda tx: tx.all("SELECT storage_key FROM blobs UNION SELECT storage_key FROM uploads")
        )
        stored = set(await worker.keys())
        assert stored <= {key for (key,) in named}
        assert await worker.count("SELECT COUNT(*) FROM garbage") == 0

    @invariant()
    def all_that_was_acknowledged_is_whole(self):
        async def look() -> None:
            worker = self.workers[1]
            assert (await worker.check()).problems == []
            for (repository, digest), body in self.manifests.items():
                assert (await worker.manifest(repository, Reference(None, digest))).body == body
            for (repository, tag), digest in self.tags.items():
                assert (await worker.manifest(repository, Reference(tag, None))).digest == digest
            found = (
                await worker.count("SELECT COUNT(*) FROM manifests"),
                await worker.count("SELECT COUNT(*) FROM tags"),
            )
            assert found == (len(self.manifests), len(self.tags))

        self.run(look())

    def teardown(self):
        self.runner.close()
        self.world.close()
        self.directory.cleanup()


def test_random_histories(database_kind, storage_kind):
    machine = type("Histories", (Histories,), {"kinds": (database_kind, storage_kind)})
    # Looking for the shortest history that fails would take minutes; the one that was found is short enough to read.
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    limits = settings(
        max_examples=10, stateful_step_count=40, deadline=None, phases=phases, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=limits)


def test_a_manifest_that_is_not_there_cannot_be_deleted(world):
    process = world.process()
    asyncio.run(process.push(b"x"))
    with pytest.raises(ManifestUnknown):
        asyncio.run(process.manifests.delete("app", sha256(b"x")))
