"""Deleting many stored keys, of which some can't be deleted, and none where the store has gone to another database."""

from ..db import Database
from ..storage import NotDeleted, Storage, StorageFailed
from . import settings

# With so many that can't be deleted it is the store that is at fault, and not a file.
_MOST = 100


class Deletion:
    """One round. A key that can't be deleted holds up no other one. undeleted: how many there were; why: what the store said of the last."""

    def __init__(self, db: Database, storage: Storage):
        self._db = db
        self._storage = storage
        self.undeleted, self.why = 0, ""

    async def delete(self, keys: list[str]) -> tuple[list[str], int]:
        """The keys that are gone now, and the bytes freed. Raises StorageError: where too many stay in one round, and where the store belongs to
        another database by now, as it does after a copy."""
        if not keys:
            return [], 0
        if why := await settings.why_not_owner(self._db, await self._storage.marker()):
            raise StorageFailed(f"nothing more is deleted, this database does not own the store: {why}")
        try:
            return keys, await self._storage.delete(keys)
        except NotDeleted as error:
            self.undeleted += len(error.keys)
            self.why = str(error)
            if self.undeleted > _MOST:
                raise
            return [key for key in keys if key not in error.keys], error.freed
