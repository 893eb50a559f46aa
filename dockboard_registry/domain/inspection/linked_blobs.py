"""Short blobs of a repository, read whole, wherever their bytes lie.

They are read through the links of the repository. A manifest that names a digest alone reads nothing of others.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from ...db import Database, Tx
from ...db.each import Each
from ...storage import Storage, StorageError, read_whole
from ..content.json_limits import apart
from ..content.small_blobs import open_source

T = TypeVar("T")
_LINKED = "FROM repository_blobs JOIN blobs ON blobs.digest = repository_blobs.digest"
_FITTING = "WHERE blobs.size <= ? AND repository_blobs.repository_id = ? AND repository_blobs.digest IN (...)"
_ROWS = Each(
    f"SELECT blobs.digest, small_blobs.body {_LINKED} JOIN small_blobs ON small_blobs.storage_key = blobs.storage_key"
    f" {_FITTING}"
)
_PLACES = Each(f"SELECT blobs.digest, blobs.storage_key, blobs.size {_LINKED} {_FITTING}")


def in_rows(
    tx: Tx, repository_id: int, digests: Iterable[str], read: Callable[[bytes], T | None], longest: int
) -> dict[str, T]:
    """What `read` makes of those that lie in the database, by digest. longest: blobs of more bytes are left out."""
    found = {digest: read(bytes(body)) for digest, body in _ROWS.all(tx, (longest, repository_id), sorted(digests))}
    return {digest: made for digest, made in found.items() if made is not None}


async def everywhere(
    db: Database,
    storage: Storage,
    repository_id: int,
    digests: Iterable[str],
    read: Callable[[bytes], T | None],
    longest: int,
) -> dict[str, T]:
    """The same of all that can be read. The database is asked first. Long ones of a store are read in a thread."""
    wanted = set(digests)
    found = await db.scan(lambda tx: in_rows(tx, repository_id, wanted, read, longest))
    if missing := wanted - found.keys():
        places = await db.scan(lambda tx: _PLACES.all(tx, (longest, repository_id), sorted(missing)))
        for digest, key, size in places:
            data = await stored(db, storage, key, size)
            if data is not None and (made := await apart(read, data)) is not None:
                found[digest] = made
    return found


async def stored(db: Database, storage: Storage, key: str, size: int) -> bytes | None:
    """The bytes of a key; None if they can't be read."""
    try:
        source = await open_source(db, storage, key, size)
    except StorageError:
        return None
    try:
        return await read_whole(source, 0, size)
    except StorageError:
        return None
    finally:
        source.close()
