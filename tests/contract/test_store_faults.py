"""What stores and networks do to the driver of each vendor: nothing that is committed is lost or wrong, and what failed
can be done again.
"""

import dataclasses
import hashlib
import json
import random
import re

import pytest

from dockboard_registry.errors import StartError
from dockboard_registry.outbound.client import Client
from dockboard_registry.outbound.connections import Limits
from dockboard_registry.storage import KeyMissing, Marker, StorageFailed, UploadLost, new_key, stores
from dockboard_registry.storage.objects.driver import ObjectDriver
from dockboard_registry.storage.objects.storage import ObjectStorage
from tests.contract.aio import asynchronous
from tests.contract.stored import content, holding, listed, passed_on, stored, suspended
from tests.support import clouds, object_stores, swift
from tests.support.store_proxy import (
    Asked,
    StoreProxy,
    answers,
    cut,
    half_answer,
    half_then_stall,
    lost_answer,
    said,
    short_answer,
    stall,
    wrong_etag,
)

VENDORS = ("oss", "cos", "bos", "kodo")
KINDS = ("versitygw", "swift", *VENDORS)
PART = 8 << 20
DATA = random.Random(1).randbytes(PART + 5)
# So that a stall is soon one. Swift is slow.
STALL_SECONDS = {"swift": 2.0}


_VERBS = {
    "POST uploads": "begin",
    "PUT partNumber": "part",
    "POST uploadId": "complete",
    "PUT": "put",
    "POST delete": "delete",
    "POST": "delete",
}


@dataclasses.dataclass
class Place:
    """A store behind a proxy. kind: of its driver."""

    kind: str
    proxy: StoreProxy
    driver: ObjectDriver

    def verb(self, asked: Asked) -> str:
        """What a request is for: begin, part, complete, put, get, list or delete; otherwise its method."""
        if self.kind == "kodo":
            return _kodo_verb(asked)
        if self.kind == "swift" and asked.method == "PUT":
            is_last = "multipart-manifest" in asked.query
            return "complete" if is_last else "part" if "/segments/" in asked.path else "put"
        if asked.method == "GET":
            return "get" if "/blobs/" in asked.path else "list"
        return _VERBS.get(asked.verb, asked.method)

    def once(self, wanted: str, fault) -> None:
        """The next request for this meets the fault."""
        left = [fault]
        self.proxy.fault = lambda asked: left.pop() if left and self.verb(asked) == wanted else None

    def always(self, wanted: str, fault) -> None:
        self.proxy.fault = lambda asked: fault if self.verb(asked) == wanted else None

    def each_first(self, fault) -> None:
        """The first request of each kind meets the fault."""
        seen: set[str] = set()

        def choose(asked: Asked):
            verb = self.verb(asked)
            if verb in seen:
                return None
            seen.add(verb)
            return fault

        self.proxy.fault, self.met = choose, seen

    def skip(self, wanted: str) -> None:
        """No request for this is a first one any more."""
        self.met.add(wanted)


def _kodo_verb(asked: Asked) -> str:
    forms = (
        ("POST /buckets/[^/]+/objects/[^/]+/uploads", "begin"),
        ("PUT /buckets/.*", "part"),
        ("POST /buckets/.*", "complete"),
        ("POST /", "put"),
        ("POST /batch", "delete"),
        ("GET /list", "list"),
        ("GET /.*", "get"),
    )
    return next((verb for form, verb in forms if re.fullmatch(form, f"{asked.method} {asked.path}")), "stat")


def _settings(kind: str) -> tuple[dict[str, object], StoreProxy]:
    if kind in VENDORS:
        cloud = clouds.Cloud(kind)
        proxy = StoreProxy(int(cloud.make().rpartition(":")[2]))
        return cloud.settings(proxy.endpoint, "hub"), proxy
    if kind == "swift":
        server = swift.shared()
        proxy = StoreProxy(server.port)
        return server.settings(server.make(), "hub", f"&endpoint={proxy.endpoint}"), proxy
    server = object_stores.shared(kind)
    proxy = StoreProxy(server.port)
    return server.settings(server.make(), "hub", endpoint=proxy.endpoint), proxy


@pytest.fixture(params=KINDS)
def place(request):
    settings, proxy = _settings(request.param)
    with proxy:
        driver = stores.driver(object_stores.options(settings))
        driver.prepare(Marker("owner", 0))
        yield Place(request.param, proxy, driver)


@pytest.fixture
def storage(place):
    opened = place.driver.open()
    yield opened
    opened.close()


FAULTS = {
    "500": answers(500, "InternalError"),
    "503": answers(503, "SlowDown", Retry_After="0"),
    "429": answers(429, "TooManyRequests"),
    "cut before": cut,
    "cut after": lost_answer,
    "half an answer": half_answer,
}


@pytest.mark.parametrize("fault", FAULTS)
@asynchronous
async def test_what_fails_once_is_done_again(place, storage, fault):
    """Each kind of request of a push, a pull, a list and a deletion."""
    place.each_first(FAULTS[fault])
    small, large = await stored(storage, b"small"), await stored(storage, DATA)
    assert await content(storage, small) == b"small"
    assert await content(storage, large) == DATA
    assert await listed(storage) == sorted([small, large])
    await storage.delete([small, large])
    assert await listed(storage) == []
    assert {"put", "part", "complete", "get", "list"} <= place.met


@asynchronous
async def test_a_body_that_is_cut_on_its_way_is_sent_again(place, storage):
    place.proxy.cut_bodies = 3
    small, large = await stored(storage, b"x" * 100_000), await stored(storage, DATA)
    assert place.proxy.cut_bodies == 0
    assert await content(storage, small) == b"x" * 100_000
    assert await content(storage, large) == DATA


@asynchronous
async def test_a_store_that_stalls_is_asked_again(place):
    seconds = STALL_SECONDS.get(place.kind, 0.6)
    limits = Limits(connect=5, send=5, answer=seconds, read=seconds)
    opened = ObjectStorage(place.driver.requests_over(Client(limits=limits)), True)
    place.each_first(stall)
    place.skip("complete")  # for which stores have minutes
    small, large = await stored(opened, b"small"), await stored(opened, DATA)
    assert await content(opened, small) == b"small"
    assert await listed(opened) == sorted([small, large])
    place.once("get", half_then_stall)
    assert await content(opened, large) == DATA
    opened.close()


@asynchronous
async def test_bytes_that_end_early_are_fetched_from_there(place, storage):
    key = await stored(storage, DATA)
    place.once("get", half_answer)
    assert await content(storage, key) == DATA
    place.once("get", half_answer)
    source = await storage.open(key)
    assert await passed_on(source, 0, len(DATA)) == DATA
    assert await passed_on(source, 7, PART) == DATA[7:PART]
    source.close()


@asynchronous
async def test_bytes_that_cannot_be_had_are_an_error_from_socket_to_socket_too(place, storage):
    source = await storage.open(await stored(storage, DATA))
    place.proxy.fault = lambda asked: half_answer
    with pytest.raises(StorageFailed, match="broke off"):
        await passed_on(source, 100, len(DATA))
    source.close()


@asynchronous
async def test_a_shorter_object_than_was_stored_has_another_size(place, storage):
    """An answer that is whole for HTTP. Whoever opens a blob compares its size with that in the database."""
    key = await stored(storage, DATA)
    place.once("get", short_answer)
    source = await storage.open(key)
    assert source.size == len(DATA) // 2
    source.close()


@asynchronous
async def test_a_wrong_tag_of_an_object_is_looked_into(place, storage):
    place.once("put", wrong_etag)
    assert await content(storage, await stored(storage, b"small")) == b"small"
    place.once("complete", wrong_etag)
    assert await content(storage, await stored(storage, DATA)) == DATA


@asynchronous
async def test_a_wrong_tag_of_a_part_loses_the_upload_and_nothing_is_there(place, storage):
    place.once("part", wrong_etag)
    key = new_key()
    with pytest.raises(UploadLost):
        await stored(storage, DATA, key)
    await storage.delete([key])
    assert await listed(storage) == []


# What says 200 and has an error inside, in the words of each vendor.
ERROR = b"<Error><Code>InternalError</Code><Message>m</Message></Error>"
INSIDE = {
    "bos": json.dumps({"code": "InternalError", "message": "m"}).encode(),
    "kodo": json.dumps({"error": "internal error"}).encode(),
}


@pytest.mark.parametrize("fault", ["an error inside 200", "500", "403"])
@asynchronous
async def test_a_last_request_that_fails_commits_nothing_and_can_be_repeated(place, storage, fault):
    key, saved = await suspended(storage, DATA[:PART])
    inside = said(200, INSIDE.get(place.kind, ERROR))
    made = {"an error inside 200": inside, "500": FAULTS["500"], "403": answers(403, "AccessDenied")}
    place.always("complete", made[fault])
    async with holding(storage.resume(key, saved, PART)) as upload:
        with pytest.raises(StorageFailed):
            await upload.commit()
    place.proxy.fault = lambda asked: None
    again = place.driver.open()  # whoever asked in vain may have given the store up for a moment
    with pytest.raises(KeyMissing):
        await again.open(key)
    async with holding(again.resume(key, saved, PART)) as upload:
        await upload.commit()
    assert await content(again, key) == DATA[:PART]
    again.close()


@asynchronous
async def test_a_lost_answer_of_the_last_request_is_no_failure(place, storage):
    """Nobody knows what became of it, and when it is repeated the upload may be gone."""
    key, saved = await suspended(storage, DATA)
    place.once("complete", lost_answer)
    async with holding(storage.resume(key, saved, len(DATA))) as upload:
        await upload.commit()
    assert await content(storage, key) == DATA


@asynchronous
async def test_a_large_push_of_n_parts_makes_n_and_two_requests(place, storage):
    await stored(storage, b"sign in")
    place.proxy.asked.clear()
    key = new_key()
    async with holding(storage.resume(key, (await suspended(storage, b""))[1], 0)) as upload:
        await upload.write(DATA, hashlib.sha256())
        await upload.commit()
    made = [place.verb(asked) for asked in place.proxy.asked]
    assert made == [*([] if place.kind == "swift" else ["begin"]), "part", "part", "complete"]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("ahead", [3600, -3600])
def test_another_time_is_told_in_words(vendor, ahead):
    cloud = clouds.Cloud(vendor)
    driver = stores.driver(object_stores.options(cloud.settings(cloud.make(ahead), "hub")))
    with pytest.raises(StartError, match="the clocks differ: set the time of this machine"):
        driver.prepare(Marker("owner", 0))


WRONG_REGION = {
    "versitygw": answers(400, "AuthorizationHeaderMalformed"),
    "oss": answers(403, "SignatureDoesNotMatch"),
    "cos": answers(404, "NoSuchBucket"),
    "bos": said(403, json.dumps({"code": "SignatureDoesNotMatch"}).encode()),
    "kodo": said(400, json.dumps({"error": "incorrect region, please use up-z2.qiniup.com"}).encode()),
}


@pytest.mark.parametrize("place", WRONG_REGION, indirect=True)
def test_another_region_is_told_in_words(place):
    """In the vendors' own words: what a store of another region says."""
    place.proxy.fault = lambda asked: WRONG_REGION[place.kind]
    with pytest.raises(StartError, match="region"):
        place.driver.marker()
