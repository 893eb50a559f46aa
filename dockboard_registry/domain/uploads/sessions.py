"""One upload session: its row, and the errors of requests that find it gone or changed."""

from typing import NamedTuple, NoReturn

from ...db import Row
from ...errors import UploadRange, UploadUnknown

FIND = (
    "SELECT id, repository, storage_key, state, size, algorithm, digest, epoch, generation, owner, charged, parts"
    " FROM uploads WHERE id = ?"
)
COLUMNS = 12
# Where the bytes are, as `state` says it. Empty: none yet, or in the store since an earlier version.
HERE, STORED = "here", "stored:"
# The same where the store does not lock, while a writer may be at work.
HELD = "stored:held"


class Session(NamedTuple):
    """One row of uploads.

    size: in bytes. digest: of all bytes so far, if known. owner: who may continue it; None without accounts. charged:
    the bytes of it that the namespace's quota has counted, which may be more than were saved; None: it counts none.
    state: where the bytes are. parts: the storage driver's own words on that.
    """

    id: str
    repository: str
    storage_key: str
    state: str
    size: int
    algorithm: str
    digest: str | None
    server_start: str | None
    generation: int
    owner: str | None = None
    charged: int | None = None
    parts: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether the bytes are in the database."""
        return self.state == HERE

    @property
    def is_stored(self) -> bool:
        """Whether the bytes are, or may be, in the store."""
        return self.state.startswith(STORED) or (self.size > 0 and not self.is_here)


def refuse(found: Row | None) -> NoReturn:
    """Raise the error of a writer whose session was changed since it was read."""
    if found is None:
        raise UploadUnknown("the upload was cancelled meanwhile, or has expired")
    raise UploadRange("another request wrote to this upload meanwhile")


def owned(row: Row | None, repository: str, owner: str | None) -> Session:
    if row is None or row[1] != repository or row[9] != owner:
        raise UploadUnknown("there is no such upload in this repository: it was finished, cancelled or has expired")
    return Session(*row)
