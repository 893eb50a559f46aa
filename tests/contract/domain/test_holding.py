"""Taking over a session whose bytes are in a store without locks."""

import pytest

from dockboard_registry.domain.uploads.holding import hold
from dockboard_registry.errors import UploadRange
from dockboard_registry.storage import KeyMissing
from tests.contract.aio import asynchronous
from tests.contract.domain.world import sha256

PART = 8 << 20


@asynchronous
async def test_whoever_comes_last_has_the_session_and_a_key_of_its_own(world):
    """The first writer may still send its bytes: they go where nothing is looked for."""
    first, second = world.process(), world.process()
    session = await first.begun(b"begun, ")
    late, held = await hold(first.uploads, session)
    other, taken = await hold(second.uploads, await second.uploads.find("app", session.id))
    assert taken.storage_key != held.storage_key and taken.generation == held.generation + 1
    await late.write(b"too late")
    with pytest.raises(UploadRange):
        await first.uploads.save(held, 8, await late.suspend(), None)
    await late.commit()
    for each in (late, other):
        await each.release()
    session = await second.sent(await second.uploads.find("app", session.id), b"and on")
    await second.finish(session, sha256(b"begun, and on"))
    assert await second.pull(sha256(b"begun, and on")) == b"begun, and on"
    await world.process(grace=0).collect()
    with pytest.raises(KeyMissing):
        await second.storage.open(held.storage_key)


@asynchronous
async def test_a_session_with_parts_keeps_its_key_and_the_parts_that_were_saved(world):
    first, second = world.process(), world.process()
    session = await first.begun(b"1" * PART)
    session = await first.uploads.find("app", session.id)
    late, held = await hold(first.uploads, session)
    other, taken = await hold(second.uploads, await second.uploads.find("app", session.id))
    assert taken.storage_key == held.storage_key
    await late.write(b"2" * PART)
    with pytest.raises(UploadRange):
        await first.uploads.save(held, 2 * PART, await late.suspend(), None)
    await other.write(b"3" * PART)
    saved = await second.uploads.save(taken, 2 * PART, await other.suspend(), None)
    for each in (late, other):
        await each.release()
    assert await second.finish(saved, sha256(b"1" * PART + b"3" * PART)) == 2 * PART
