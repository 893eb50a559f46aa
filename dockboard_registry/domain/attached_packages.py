"""The packages of images, as the SBOMs that are attached to them name them."""

import asyncio
from collections.abc import Sequence

from ..db import Database, Tx
from ..db.turns import Turns
from ..storage import Storage
from .content import repositories
from .content.pace import Pace
from .inspection import linked_blobs, manifest_content, manifest_facts, sboms
from .inspection.inspector import InspectedManifest
from .inspection.sboms import PackageDifferences, Packages


class AttachedPackages:
    def __init__(self, db: Database, storage: Storage):
        self._db, self._storage, self._turns = db, storage, Turns()

    async def compared(self, *sides: tuple[str, InspectedManifest]) -> PackageDifferences | None:
        """What differs between two images, each with its repository. None if one has no SBOM that can be read."""
        before, after = sides
        olds = await self.of(*before)
        news = await self.of(*after) if olds is not None else None
        return None if olds is None or news is None else sboms.compare(olds, news)

    async def of(self, repository: str, found: InspectedManifest) -> Packages | None:
        """What the SBOM of the shown image names; None if none is attached that can be read.

        Documents may be long, so one is read at a time, by turns of the clients.
        """
        image = found.image.digest if found.image else found.digest
        wanted = [each.digest for each in sboms.candidates(found.attached, image, found.digest)]

        def find(tx: Tx) -> tuple[int, list[str]]:
            place = repositories.find(tx, repository) or 0
            return place, _files(tx, place, wanted)

        place, files = await self._db.scan(find, long=True) if wanted else (0, [])
        for file in files:
            async with self._turns.take():
                packages = await self._read(place, file)
            if packages is not None:
                return packages
        return None

    async def _read(self, place: int, file: str) -> Packages | None:
        read = await linked_blobs.everywhere(self._db, self._storage, place, [file], bytes, sboms.LONGEST)
        return await asyncio.to_thread(sboms.read, read[file], Pace()) if file in read else None


def _files(tx: Tx, place: int, digests: Sequence[str]) -> list[str]:
    """The digests of the files of these artifacts that are SBOMs, in the same order."""
    read = manifest_facts.read(tx, place, sorted(set(digests)), manifest_content.LONGEST, Pace())
    files = {each.digest: sboms.file_of(each.content) for each in read if each.content}
    return [file.digest for digest in digests if (file := files.get(digest))]
