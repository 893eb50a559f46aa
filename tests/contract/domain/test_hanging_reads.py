"""What pages read of blobs while the store hangs, or while bytes are long: nobody else waits."""

import asyncio
import json
import threading
from typing import Any

from dockboard_registry.clients import Client, current_client
from dockboard_registry.domain.attached_packages import AttachedPackages
from dockboard_registry.domain.content import repositories
from dockboard_registry.domain.content.json_limits import SHORT
from dockboard_registry.domain.inspection import inside, linked_blobs
from dockboard_registry.domain.inspection.inspector import InspectedManifest, Inspector
from dockboard_registry.domain.inspection.manifest_content import Layer, ManifestContent
from dockboard_registry.domain.inspection.stored_blobs import MISSING
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OCI_MANIFEST, descriptor, image, sha256

SPDX = "application/spdx+json"


class Hanging:
    """A store that never opens these keys. asked: how often one of them was asked for."""

    def __init__(self, storage: Any, *keys: str):
        self._storage, self._keys, self.asked = storage, keys, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def open(self, key: str) -> Any:
        if key in self._keys:
            self.asked += 1
            await asyncio.Event().wait()
        return await self._storage.open(key)


async def with_packages(process, number: int) -> tuple[InspectedManifest, str]:
    """An image whose SBOM names a package; and the digest of the SBOM."""
    config, layer = f"config {number}".encode(), b"layer"
    packages = [{"name": "zlib", "versionInfo": f"1.{number}"}]
    sbom = json.dumps({"spdxVersion": "SPDX-2.3", "packages": packages}).encode()
    for data in (config, layer, sbom):
        await process.push(data)
    body = image(config, layer)
    await process.put(body, f"v{number}")
    subject = descriptor(body, OCI_MANIFEST)
    await process.put(image(config, artifactType=SPDX, subject=subject, layers=[descriptor(sbom, SPDX)]))
    inspector = Inspector(process.db, process.storage)
    return await inspector.inspect("app", Reference(f"v{number}", None)), sha256(sbom)


def asked_by(owner: str, packages: AttachedPackages, *images: InspectedManifest) -> asyncio.Task:
    async def compare():
        current_client.set(Client(owner))
        return await packages.compared(*(("app", each) for each in images))

    return asyncio.ensure_future(compare())


@asynchronous
async def test_a_comparison_of_packages_does_not_wait_for_what_the_store_does_not_give_another(process):
    (first, lost), (second, _), (third, _) = [await with_packages(process, number) for number in range(3)]
    storage = Hanging(process.storage, await process.key(lost))
    packages = AttachedPackages(process.db, storage)
    hanging = asked_by("ann", packages, first, second)
    while not storage.asked:
        await asyncio.sleep(0.001)
    found = await asyncio.wait_for(asked_by("bob", packages, second, third), 5)
    assert [(each.before, each.after) for each in found.shown] == [("1.1", "1.2")]
    again = asked_by("ann", packages, first, third)
    await asyncio.wait([again], timeout=0.2)
    assert storage.asked == 1  # a client has one document at a time
    hanging.cancel(), again.cancel()
    await asyncio.gather(hanging, again, return_exceptions=True)


@asynchronous
async def test_packages_are_compared_outside_of_the_event_loop(process):
    threads = []

    class Packages(dict):
        def keys(self):
            threads.append(threading.current_thread())
            return super().keys()

    class Named(AttachedPackages):
        async def of(self, repository: str, found: Any) -> Packages:
            return Packages({repository: ("1",)})

    found = await Named(process.db, process.storage).compared(("old", None), ("new", None))
    assert [each.name for each in found.shown] == ["new", "old"]
    assert threads and threading.main_thread() not in threads


@asynchronous
async def test_the_page_of_an_artifact_does_not_wait_for_its_files(process):
    files = [b"first", b"second"]
    for data in files:
        await process.push(data)
    layers = tuple(Layer(sha256(data), len(data), "text/plain") for data in [*files, b"never pushed"])
    content = ManifestContent("other", "", layers=layers)
    kept = await process.db.scan(lambda tx: inside.kept(tx, repositories.find(tx, "app"), content))
    storage = Hanging(process.storage, await process.key(sha256(b"second")))
    found = await asyncio.wait_for(inside.inside(process.db, storage, content, kept), 4)
    assert storage.asked
    assert [each.digest for each in found.damaged] == [sha256(b"never pushed")]
    assert found.damaged[0].problem == MISSING


@asynchronous
async def test_long_blobs_of_the_store_are_read_outside_of_the_event_loop(process):
    short, long = b"short", b"x" * (SHORT + 1)
    for data in (short, long):
        await process.push(data)
    place = await process.db.scan(lambda tx: repositories.find(tx, "app"))
    digests = [sha256(short), sha256(long)]
    threads = await linked_blobs.everywhere(
        process.db, process.storage, place, digests, lambda data: threading.current_thread(), 1 << 20
    )
    assert threads[sha256(short)] is threading.main_thread() is not threads[sha256(long)]
