"""Blobs of an image that are missing or damaged, as its page names them."""

import pytest

from dockboard_registry.domain.content import repositories
from dockboard_registry.domain.content.small_blobs import LIMIT
from dockboard_registry.domain.inspection import inside
from dockboard_registry.domain.inspection.manifest_content import Layer, ManifestContent
from dockboard_registry.domain.inspection.stored_blobs import MISSING, OTHER_SIZE
from tests.contract.aio import asynchronous
from tests.contract.domain.world import KEY_OF, OCI_LAYER, sha256

SHORT, LONG, OTHER = b"short", b"long" * LIMIT, b"other" * LIMIT
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"


@pytest.fixture
def small():
    return LIMIT


async def damaged(process, *blobs: bytes, media_type: str = OCI_LAYER, repository: str = "app") -> list:
    layers = tuple(Layer(sha256(blob), len(blob), media_type) for blob in blobs)
    content = ManifestContent("image", "", layers=layers)
    kept = await process.db.scan(lambda tx: inside.kept(tx, repositories.find(tx, repository) or 0, content))
    return (await inside.inside(process.db, process.storage, content, kept)).damaged


@asynchronous
async def test_what_is_not_there_is_named(process):
    for blob in (SHORT, LONG, OTHER):
        await process.push(blob)
    assert await damaged(process, SHORT, LONG, OTHER) == []
    assert await damaged(process, SHORT, b"gone") == [(sha256(b"gone"), MISSING)]
    assert await damaged(process, b"gone", media_type=FOREIGN) == []
    assert await damaged(process, SHORT, repository="none") == [(sha256(SHORT), MISSING)]


@asynchronous
async def test_damaged_bytes_are_named(process):
    for blob in (SHORT, LONG, OTHER):
        await process.push(blob)
    keys = {}
    for blob in (SHORT, LONG):
        (keys[blob],) = await process.db.read(lambda tx: tx.one(KEY_OF, sha256(blob)))  # noqa: B023
    await process.db.write(
        lambda tx: tx.run("UPDATE small_blobs SET body = ? WHERE storage_key = ?", b"x", keys[SHORT])
    )
    await process.db.write(lambda tx: tx.run("UPDATE blobs SET size = size + 1 WHERE digest = ?", sha256(OTHER)))
    await process.storage.delete([keys[LONG]])
    found = await damaged(process, SHORT, LONG, OTHER)
    in_store = [(sha256(LONG), MISSING), (sha256(OTHER), OTHER_SIZE)] if process.storage.locks else []
    assert found == [(sha256(SHORT), OTHER_SIZE), *in_store]
