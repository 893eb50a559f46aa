"""The packages of images, as the SBOMs that are attached to them name them."""

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from ..clients import current_client
from ..db import Database, Tx
from ..db.turns import Turns
from ..storage import Storage
from .content import repositories
from .content.pace import Pace
from .content.patience import within
from .inspection import linked_blobs, manifest_content, manifest_facts, sboms
from .inspection.inspector import InspectedManifest
from .inspection.sboms import PackageDifferences, Packages

# Documents that a worker has in memory at once, one of each client; and seconds in which the store has to give one.
_MOST_AT_ONCE, _SECONDS = 8, 10.0


class AttachedPackages:
    """Documents may be long, so one is parsed at a time, by turns of the clients. The store is asked before."""

    def __init__(self, db: Database, storage: Storage):
        self._db, self._storage, self._turns = db, storage, Turns()
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._of_client: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def compared(self, *sides: tuple[str, InspectedManifest]) -> PackageDifferences | None:
        """What differs between two images, each with its repository. None if one has no SBOM that can be read."""
        before, after = sides
        olds = await self.of(*before)
        news = await self.of(*after) if olds is not None else None
        if olds is None or news is None:
            return None
        async with self._turns.take():
            return await asyncio.to_thread(sboms.compare, olds, news)

    async def of(self, repository: str, found: InspectedManifest) -> Packages | None:
        """What the SBOM of the shown image names; None if none is attached that can be read."""
        image = found.image.digest if found.image else found.digest
        wanted = [each.digest for each in sboms.candidates(found.attached, image, found.digest)]

        def find(tx: Tx) -> tuple[int, list[str]]:
            place = repositories.find(tx, repository) or 0
            return place, _files(tx, place, wanted)

        place, files = await self._db.scan(find, long=True) if wanted else (0, [])
        for file in files:
            packages = await self._read(place, file)
            if packages is not None:
                return packages
        return None

    async def _read(self, place: int, file: str) -> Packages | None:
        one_at_a_time = self._of_client.setdefault(current_client.get().owner, asyncio.Lock())
        async with one_at_a_time, self._places:
            read = await within(_SECONDS, self._bytes(place, file)) or {}
            if file not in read:
                return None
            async with self._turns.take():
                return await asyncio.to_thread(sboms.read, read[file])

    async def _bytes(self, place: int, file: str) -> dict[str, bytes]:
        return await linked_blobs.everywhere(self._db, self._storage, place, [file], bytes, sboms.LONGEST)


def _files(tx: Tx, place: int, digests: Sequence[str]) -> list[str]:
    """The digests of the files of these artifacts that are SBOMs, in the same order."""
    read = manifest_facts.read(tx, place, sorted(set(digests)), manifest_content.LONGEST, Pace())
    files = {each.digest: sboms.file_of(each.content) for each in read if each.content}
    return [file.digest for digest in digests if (file := files.get(digest))]
