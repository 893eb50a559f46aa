"""The configs of images, wherever their bytes lie."""

from collections.abc import Callable, Iterable

from ...db import Database, Tx
from ...db.each import Each
from ...storage import Storage, StorageError
from ..content.small_blobs import open_source
from . import image_config
from .image_config import LONGEST, ImageConfig

Reader = Callable[[bytes], ImageConfig | None]
_ROWS = Each(
    "SELECT blobs.digest, small_blobs.body FROM blobs JOIN small_blobs ON small_blobs.storage_key = blobs.storage_key"
    " WHERE blobs.size <= ? AND blobs.digest IN (...)"
)
_PLACES = Each("SELECT digest, storage_key, size FROM blobs WHERE size <= ? AND digest IN (...)")


def in_rows(tx: Tx, digests: Iterable[str], read: Reader = image_config.read_summary) -> dict[str, ImageConfig]:
    """Those that lie in the database."""
    found = {digest: read(bytes(body)) for digest, body in _ROWS.all(tx, (LONGEST,), sorted(digests))}
    return {digest: config for digest, config in found.items() if config is not None}


async def everywhere(
    db: Database, storage: Storage, digests: Iterable[str], read: Reader = image_config.read_summary
) -> dict[str, ImageConfig]:
    """Those that can be read. They are looked for in the database first."""
    wanted = set(digests)
    found = await db.scan(lambda tx: in_rows(tx, wanted, read))
    if missing := wanted - found.keys():
        places = await db.scan(lambda tx: _PLACES.all(tx, (LONGEST,), sorted(missing)))
        for digest, key, size in places:
            if (config := await _stored(db, storage, key, size, read)) is not None:
                found[digest] = config
    return found


async def _stored(db: Database, storage: Storage, key: str, size: int, read: Reader) -> ImageConfig | None:
    try:
        source = await open_source(db, storage, key, size)
    except StorageError:
        return None
    try:
        return read(await source.read(0, size))
    except StorageError:
        return None
    finally:
        source.close()
