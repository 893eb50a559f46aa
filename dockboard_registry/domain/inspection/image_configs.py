"""The configs of a repository's images, wherever their bytes lie.

They are read through the links of the repository. A manifest that names a digest alone reads nothing of others.
"""

from collections.abc import Callable, Iterable

from ...db import Database, Tx
from ...db.each import Each
from ...storage import Storage, StorageError
from ..content.small_blobs import open_source
from . import image_config
from .image_config import LONGEST, ImageConfig

Reader = Callable[[bytes], ImageConfig | None]
_LINKED = "FROM repository_blobs JOIN blobs ON blobs.digest = repository_blobs.digest"
_FITTING = "WHERE blobs.size <= ? AND repository_blobs.repository_id = ? AND repository_blobs.digest IN (...)"
_ROWS = Each(
    f"SELECT blobs.digest, small_blobs.body {_LINKED} JOIN small_blobs ON small_blobs.storage_key = blobs.storage_key"
    f" {_FITTING}"
)
_PLACES = Each(f"SELECT blobs.digest, blobs.storage_key, blobs.size {_LINKED} {_FITTING}")


def in_rows(
    tx: Tx, repository_id: int, digests: Iterable[str], read: Reader = image_config.read_summary
) -> dict[str, ImageConfig]:
    """Those that lie in the database."""
    rows = _ROWS.all(tx, (LONGEST, repository_id), sorted(digests))
    found = {digest: read(bytes(body)) for digest, body in rows}
    return {digest: config for digest, config in found.items() if config is not None}


async def everywhere(
    db: Database,
    storage: Storage,
    repository_id: int,
    digests: Iterable[str],
    read: Reader = image_config.read_summary,
) -> dict[str, ImageConfig]:
    """Those that can be read. They are looked for in the database first."""
    wanted = set(digests)
    found = await db.scan(lambda tx: in_rows(tx, repository_id, wanted, read))
    if missing := wanted - found.keys():
        places = await db.scan(lambda tx: _PLACES.all(tx, (LONGEST, repository_id), sorted(missing)))
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
