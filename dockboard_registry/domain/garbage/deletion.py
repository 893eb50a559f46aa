"""Deleting many stored keys. Some may fail. None is deleted if the store belongs to another database by now."""

from ...db import Database
from ...storage import NotDeleted, Storage, StorageFailed
from .. import settings

# After so many failures the store has failed, not single files.
_MOST = 100


class Deletion:
    """One round. A key that can't be deleted holds up no other key.

    undeleted: how many there were. why: the store's message for the last one.
    """

    def __init__(self, db: Database, storage: Storage):
        self._db = db
        self._storage = storage
        self.undeleted, self.why = 0, ""

    async def delete(self, keys: list[str]) -> tuple[list[str], int]:
        """The deleted keys, and the bytes freed.

        Raises StorageError if too many keys fail in one round, or if the store belongs to another database by now, as
        after a copy.
        """
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
