"""How a writer gets an upload session for itself before it changes bytes in the store.

Where the store locks, the writer holds the bytes. Then it looks whether the session still is as it was read: another
writer may have finished it, and then the bytes are a blob, which nothing may touch.

Elsewhere the row decides. The writer changes the generation first, and so takes the session over. Whoever had it can
save nothing any more, but may still send bytes to the store. So if nothing of the upload is in the store yet, the
session also gets a new key. Otherwise the upload has parts, and only those count that the row names.
"""

from ...db import Tx
from ...errors import UploadRange
from ...storage import Saved, Upload, UploadBusy, new_key
from ..content import blobs, small_blobs
from .sessions import HELD, STORED, Session
from .uploads import Uploads

_MOVE = "UPDATE uploads SET storage_key = ? WHERE id = ?"


async def hold(uploads: Uploads, session: Session) -> tuple[Upload, Session]:
    """The held bytes, and the session as it is now. From now on its bytes are in the store.

    Raises UploadRange, UploadUnknown, StorageError.
    """
    return await (_lock if uploads.storage.locks else _take_over)(uploads, session)


async def _lock(uploads: Uploads, session: Session) -> tuple[Upload, Session]:
    upload = uploads.storage.resume(session.storage_key, Saved(), session.size if session.is_stored else 0)
    try:
        await upload.hold()
    except UploadBusy as error:
        raise UploadRange("another request is writing to this upload") from error
    try:
        if not session.is_stored:
            # The caller writes the few bytes that were in the database into the store.
            stored = session._replace(state=STORED)
            return upload, await uploads.replace(stored, session, lambda tx: small_blobs.drop(tx, session.storage_key))
        current = await uploads.find(session.repository, session.id, session.owner)
        if current.generation != session.generation:
            raise UploadRange("another request wrote to this upload meanwhile")
        return upload, current
    except BaseException:
        await upload.release()
        raise


async def _take_over(uploads: Uploads, session: Session) -> tuple[Upload, Session]:
    """The few bytes that were in the database stay there until the caller saves. It writes them again."""
    saved, size = Saved(), 0
    if session.is_stored:
        size, saved = session.size, Saved(session.parts or "", await uploads.rest(session))
        session = await _taken(uploads, session)
    else:
        session = await uploads.replace(session._replace(state=HELD), session)
    upload = uploads.storage.resume(session.storage_key, saved, size)
    await upload.hold()
    return upload, session


async def _taken(uploads: Uploads, session: Session) -> Session:
    """The session with another generation, and with a new key if an earlier writer may still use the old one."""
    held = session._replace(state=HELD)
    if session.parts or session.state != HELD:
        return await uploads.replace(held, session)
    moved = held._replace(storage_key=new_key())

    def move(tx: Tx) -> None:
        tx.run(_MOVE, moved.storage_key, session.id)
        small_blobs.move(tx, session.storage_key, moved.storage_key)
        blobs.condemn(tx, session.storage_key)

    return await uploads.replace(moved, session, move)
