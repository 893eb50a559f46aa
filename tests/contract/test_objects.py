"""What the driver of object stores has besides the contract: parts, memory, faults of the store, and its lists."""

import asyncio
import hashlib
import random

import pytest

from dockboard_registry.storage import Marker, Saved, StorageFailed, UploadLost, new_key, stores
from dockboard_registry.storage.objects.buffers import Budget
from dockboard_registry.storage.objects.parts import LEAST, Parts, equal_size_of, size_of
from tests.contract.aio import asynchronous
from tests.contract.stored import content, holding, listed, stored, suspended
from tests.support import object_stores
from tests.support.store_proxy import StoreProxy, answers, lost_answer

PART = size_of(1)


def bytes_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture
def proxy():
    with StoreProxy(object_stores.shared("versitygw").port) as made:
        yield made


@pytest.fixture
def storage(proxy):
    server = object_stores.shared("versitygw")
    driver = stores.driver(object_stores.options(server.settings(server.make(), endpoint=proxy.endpoint)))
    driver.prepare(Marker("owner", 0))
    opened = driver.open()
    proxy.asked.clear()
    yield opened
    opened.close()


def test_ten_thousand_parts_hold_328_gib_and_none_is_too_short():
    sizes = [size_of(number) for number in range(1, 10_001)]
    assert min(sizes) >= LEAST
    assert sum(sizes) >> 30 == 328
    assert size_of(10_001) == 0


def test_the_row_keeps_what_is_needed_of_the_parts():
    made = Parts("id of the upload", (8, 9), ("a" * 32, "b" * 32))
    assert Parts.of(made.text()) == made
    assert Parts.of("") == Parts() and Parts().text() == ""
    joined = bytes.fromhex("a" * 32 + "b" * 32)
    assert made.whole_etag() == f"{hashlib.md5(joined).hexdigest()}-2"
    assert made.with_one(1, "not an md5").whole_etag() == ""


def test_parts_of_one_length_hold_48_gib():
    assert {equal_size_of(number) for number in range(1, 10_001)} == {LEAST}
    assert equal_size_of(10_001) == 0


@asynchronous
async def test_parts_have_one_length_where_the_store_wants_that(proxy):
    """Also where an upload was saved in between, and where others wait for memory."""
    server = object_stores.shared("versitygw")
    settings = server.settings(server.make(), endpoint=proxy.endpoint)
    settings["storage_url"] += "&parts=equal"
    opened = stores.driver(object_stores.options(settings)).open()
    opened.budget, data = Budget(4 * LEAST), bytes_of(3 * LEAST + 1234)

    async def pushed() -> str:
        key, saved = await suspended(opened, data[: LEAST + 17])
        async with holding(opened.resume(key, saved, LEAST + 17)) as upload:
            await upload.write(data[LEAST + 17 :])
            await upload.commit()
        return key

    keys = await asyncio.gather(*(pushed() for _ in range(4)))
    assert [await content(opened, key) for key in keys] == [data] * 4
    sizes = [asked.size for asked in proxy.asked if asked.verb == "PUT partNumber"]
    assert sorted(sizes) == [1234] * 4 + [LEAST] * 12
    opened.close()


def test_clients_that_come_together_get_one_url(storage):
    first, second = new_key(), new_key()
    url = storage.url(first)
    assert storage.url(first) == url != storage.url(second)


@asynchronous
async def test_what_is_saved_is_in_parts_and_a_short_rest(storage, proxy):
    for size, left in ((10, 10), (LEAST - 1, LEAST - 1), (LEAST, 0), (PART + 5, 5), (2 * PART, 0)):
        _, saved = await suspended(storage, bytes_of(size))
        assert len(saved.rest) == left
        assert Parts.of(saved.state).size == size - left


@asynchronous
async def test_an_upload_that_is_short_asks_for_one_request(storage, proxy):
    key, saved = await suspended(storage, b"short")
    assert proxy.asked == []
    async with holding(storage.resume(key, saved, 5)) as upload:
        await upload.commit()
    assert proxy.verbs() == ["PUT"]


@pytest.mark.parametrize("size", [10, PART + 1])
@asynchronous
async def test_an_upload_that_put_nothing_under_its_key_takes_nothing_away(storage, size):
    """Of two runs of copy-storage the earlier one gives up what the later one has copied."""
    key, data = new_key(), bytes_of(size)
    async with holding(storage.resume(key, Saved(), 0)) as earlier:
        await earlier.write(data)
        async with holding(storage.resume(key, Saved(), 0)) as later:
            await later.write(data)
            await later.commit()
        await earlier.abort()
    assert await content(storage, key) == data


@asynchronous
async def test_another_size_than_the_row_says_is_a_loss(storage):
    key, saved = await suspended(storage, bytes_of(PART + 1))
    for wrong in (PART, PART + 2, 0):
        async with holding(storage.resume(key, saved, wrong)) as upload:
            for attempt in (upload.write(b"x"), upload.suspend(), upload.hash(hashlib.sha256()), upload.commit()):
                with pytest.raises(UploadLost):
                    await attempt


@asynchronous
async def test_a_part_that_another_writer_replaced_fails_the_upload(storage):
    """Two writers go on from the same state. The second part of the first one is replaced, and it cannot commit."""
    key, saved = await suspended(storage, bytes_of(PART))
    first, second = storage.resume(key, saved, PART), storage.resume(key, saved, PART)
    await first.write(b"1" * PART)
    mine = await first.suspend()
    await second.write(b"2" * PART)
    await second.suspend()
    with pytest.raises(UploadLost):
        await storage.resume(key, mine, 2 * PART).commit()
    assert await listed(storage) == [key]
    await storage.delete([key])
    assert await listed(storage) == []


@asynchronous
async def test_an_upload_that_is_gone_from_the_store_is_a_loss(storage):
    key, saved = await suspended(storage, bytes_of(PART))
    await storage.delete([key])
    async with holding(storage.resume(key, saved, PART)) as upload:
        with pytest.raises(UploadLost):
            await upload.write(bytes(2 * PART))
            await upload.suspend()


@asynchronous
async def test_a_lost_answer_of_the_last_request_is_no_failure(storage, proxy):
    key, saved = await suspended(storage, bytes_of(PART))
    proxy.once("POST uploadId", lost_answer)
    async with holding(storage.resume(key, saved, PART)) as upload:
        await upload.commit()
    assert await content(storage, key) == bytes_of(PART)


@asynchronous
async def test_a_last_request_that_fails_leaves_what_was_saved(storage, proxy):
    key, saved = await suspended(storage, bytes_of(PART))
    proxy.once("POST uploadId", answers(200, "InternalError"))
    async with holding(storage.resume(key, saved, PART)) as upload:
        with pytest.raises(StorageFailed):
            await upload.commit()
    async with holding(storage.resume(key, saved, PART)) as upload:
        await upload.commit()
    assert await content(storage, key) == bytes_of(PART)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDenied", "the access key may not do this"),
        ("SignatureDoesNotMatch", "check storage.secret_key"),
        ("RequestTimeTooSkewed", "the clocks differ"),
        ("ExpiredToken", "the session token has expired"),
        ("Unheard<Of>", "answered 403 403: see its documentation"),
    ],
)
@asynchronous
async def test_an_error_of_the_store_is_told_in_words(storage, proxy, code, words):
    proxy.fault = lambda asked: answers(403, code)
    with pytest.raises(StorageFailed, match=words):
        await storage.open(new_key())


@asynchronous
async def test_many_keys_are_deleted_with_few_requests(storage, proxy):
    keys = await asyncio.gather(*(stored(storage, b"x") for _ in range(1100)))
    proxy.asked.clear()
    await storage.delete(list(keys))
    assert sorted(proxy.verbs()) == ["GET uploads", "POST delete", "POST delete"]
    assert await listed(storage) == []


@asynchronous
async def test_a_list_is_asked_for_page_by_page(storage, proxy):
    made = await asyncio.gather(*(stored(storage, b"x") for _ in range(1005)))
    proxy.asked.clear()
    keys = storage.keys()
    assert await anext(keys) == (min(made), pytest.approx(0, abs=1e15), 1)
    assert proxy.verbs() == ["GET list-type", "GET uploads"]
    assert len([found async for found in keys]) == 1004
    assert proxy.verbs() == ["GET list-type", "GET uploads", "GET list-type"]


@asynchronous
async def test_a_deletion_that_the_store_refuses_names_its_keys(storage, proxy):
    kept = await stored(storage, b"x")
    body = f"<DeleteResult><Error><Key>blobs/{kept[:2]}/{kept}</Key><Code>AccessDenied</Code></Error></DeleteResult>"

    def refused(client, ask) -> None:
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    proxy.once("POST delete", refused)
    with pytest.raises(StorageFailed, match="AccessDenied") as caught:
        await storage.delete([kept, new_key()])
    assert caught.value.keys == {kept}


@asynchronous
async def test_a_check_is_believed_for_a_while(storage, proxy):
    for _ in range(5):
        await storage.check()
    assert proxy.verbs() == ["GET"]


@asynchronous
async def test_memory_is_given_in_the_order_of_asking():
    budget, got = Budget(100), []

    async def take(name: str, count: int) -> None:
        await budget.take(count, name)
        got.append(name)

    await take("first", 45)
    await take("second", 45)
    waiting = [asyncio.ensure_future(take(name, count)) for name, count in (("large", 50), ("small", 10))]
    await asyncio.sleep(0.01)
    assert (got, budget.is_wanted, budget.try_take(1, "third")) == (["first", "second"], True, False)
    budget.give(45, "first")
    budget.give(10, "second")
    await asyncio.gather(*waiting)
    assert got == ["first", "second", "large", "small"]
    for name, count in (("second", 35), ("large", 50), ("small", 10)):
        budget.give(count, name)
    assert budget.try_take(50, "a") and budget.try_take(50, "b") and not budget.try_take(1, "c")


@asynchronous
async def test_a_client_with_its_share_of_the_memory_lets_others_by():
    budget = Budget(100)
    await budget.take(50, "slow")
    more = asyncio.ensure_future(budget.take(10, "slow"))
    await asyncio.sleep(0.01)
    await budget.take(30, "other")
    assert not more.done()
    budget.give(50, "slow")
    await more
    assert budget.try_take(40, "slow") and not budget.try_take(30, "other")


@asynchronous
async def test_who_stops_waiting_for_memory_takes_none():
    budget = Budget(20)
    await budget.take(10, "one")
    waiting = asyncio.ensure_future(budget.take(5, "one"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    budget.give(10, "one")
    assert budget.try_take(10, "one") and not budget.is_wanted


@asynchronous
async def test_many_uploads_at_once_share_the_memory_and_all_end(storage):
    storage.budget = Budget(6 * PART)
    data = bytes_of(2 * PART + 77)
    keys = await asyncio.gather(*(stored(storage, data) for _ in range(12)))
    for key in keys:
        assert await content(storage, key) == data
    assert storage.budget.try_take(3 * PART, "a") and storage.budget.try_take(3 * PART, "b")
