"""What Swift's driver has besides the contract: signing in, manifests, and temporary URLs."""

import contextlib
import json
import urllib.error
import urllib.request

import pytest

from dockboard_registry.outbound.client import Client
from dockboard_registry.storage import Marker, StorageFailed, stores
from dockboard_registry.storage.objects.bucket import Refused
from dockboard_registry.storage.objects.credentials import Credentials, FixedCredentials
from dockboard_registry.storage.objects.names import BLOBS, name_of
from dockboard_registry.storage.objects.parts import Parts
from dockboard_registry.storage.objects.vendors.swift import Swift
from dockboard_registry.storage.objects.vendors.tokens import SignIn, Tokens
from tests.support import swift
from tests.support.object_stores import options
from tests.support.scripted import Scripted, answer

KEY = "ab" * 20
NAME = name_of(KEY)


def driver(more: str = "", **settings):
    server = swift.shared()
    return stores.driver(options({**server.settings(server.make(), "hub", more), **settings}))


@pytest.fixture
def bucket():
    made = driver().requests()
    yield made
    made.close()


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as found:
        return found.read()


def test_clients_fetch_an_object_by_its_temporary_url(bucket):
    assert bucket.url(NAME) is None
    bucket.put(NAME, b"for everybody")
    assert fetched(bucket.url(NAME)) == b"for everybody"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        fetched(bucket.url(NAME).replace("temp_url_sig=", "temp_url_sig=0"))


def test_without_redirects_no_key_is_set_on_the_container():
    made = driver(storage_redirect="false").requests()
    made.put(NAME, b"x")
    assert made.url(NAME) is None
    found = made.call("HEAD", None)
    assert [name for name in found.headers if "temp-url" in name.lower()] == []
    made.close()


def test_more_parts_than_a_manifest_holds_are_put_together():
    server = swift.shared()
    container = server.make()
    keys = FixedCredentials(Credentials(swift.USER, swift.KEY))
    bucket = Swift(container, "hub/", Tokens(SignIn(server.auth, "", {}), keys, Client()), Client(), entries=3)
    upload = bucket.begin(NAME)
    pieces = [b"%04d" % number for number in range(1, 9)]
    tags = [bucket.part(NAME, upload, number, memoryview(piece)) for number, piece in enumerate(pieces, 1)]
    parts = Parts(upload, (4,) * 8, tuple(tags))
    assert bucket.complete(NAME, upload, parts) == bucket.whole_etag(parts)
    assert bucket.size(NAME) == (32, bucket.whole_etag(parts))
    with contextlib.closing(bucket.get(NAME, 10, 6)) as found:
        assert found.read(6) == b"".join(pieces)[10:16]
    bucket.abort(NAME, upload)
    bucket.delete([NAME])
    assert list(bucket.objects("")) == []


def test_parts_of_finished_objects_are_listed_and_deleted_as_uploads(bucket):
    upload = bucket.begin(NAME)
    tag = bucket.part(NAME, upload, 1, memoryview(b"part"))
    bucket.complete(NAME, upload, Parts(upload, (4,), (tag,)))
    for prefix in (BLOBS, NAME):
        ((found,),) = bucket.uploads(prefix)
        assert (found.name, found.upload) == (NAME, upload)
    assert list(bucket.uploads(BLOBS, NAME)) == []
    bucket.abort(NAME, upload)
    assert list(bucket.uploads(BLOBS)) == []


def test_a_part_with_another_tag_fails_the_manifest(bucket):
    upload = bucket.begin(NAME)
    bucket.part(NAME, upload, 1, memoryview(b"part"))
    with pytest.raises(Refused) as refused:
        bucket.complete(NAME, upload, Parts(upload, (4,), ("0" * 32,)))
    assert refused.value.gone


def test_many_are_deleted_with_one_request(bucket):
    for number in range(5):
        bucket.put(f"{NAME}{number} é%", b"x")
    assert bucket.delete([*(f"{NAME}{number} é%" for number in range(5)), "missing"]) == {}
    assert list(bucket.objects("")) == []


def test_a_missing_container_and_wrong_keys_are_told_in_words(bucket):
    lost = stores.driver(options(swift.shared().settings("not-there"))).requests()
    with pytest.raises(StorageFailed, match="the container does not exist"):
        lost.get(NAME)
    lost.close()
    with pytest.raises(Refused) as refused:
        bucket.get(NAME)
    assert refused.value.missing
    with pytest.raises(Exception, match="storage.access_key or storage.secret_key is wrong"):
        driver(storage_secret_key="another").prepare(Marker("owner", 0))


def tokens(server: Scripted, path: str, more: dict, endpoint: str = "") -> Tokens:
    credentials = FixedCredentials(Credentials("user", "word"))
    return Tokens(SignIn(f"{server.url}{path}", endpoint, more), credentials, Client(budget=0))


def tempauth(token: str, life: int = 3600):
    fields = {"X_Auth_Token": token, "X_Storage_Url": "http://store/v1/AUTH_a/", "X_Auth_Token_Expires": str(life)}
    return answer(204, b"", **fields)


def keystone(*endpoints: tuple[str, str]):
    made = [{"region_id": a, "interface": b, "url": f"http://store/v1/{a}-{b}"} for a, b in endpoints]
    catalog = [{"type": "identity", "endpoints": []}, {"type": "object-store", "endpoints": made}]
    token = {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalog}
    return answer(201, json.dumps({"token": token}).encode(), X_Subject_Token="the token")


def test_a_token_is_kept_until_its_end_and_renewed_where_it_is_refused():
    with Scripted(tempauth("1"), tempauth("2", life=59), tempauth("3"), tempauth("4")) as server:
        made = tokens(server, "/auth/v1.0", {})
        assert (made.now().token, made.now().token) == ("1", "1")
        assert made.now(instead_of="another").token == "1"
        assert made.now(instead_of="1").token == "2"
        assert made.now().token == "3"
        assert made.known.url == "http://store/v1/AUTH_a"
        assert server.received[0].fields["x-auth-key"] == "word"
    assert "3" not in repr(made.known)


def test_keystone_gets_the_password_and_the_project():
    with Scripted(keystone(("one", "public"), ("two", "internal"), ("two", "public"))) as server:
        more = {"project": "hub", "user_domain": "people", "region": "two"}
        assert tokens(server, "/v3", more).now().url == "http://store/v1/two-public"
        asked = json.loads(server.received[0].body)["auth"]
        assert tokens(server, "/v3", more, "http://near").now().url == "http://near/v1/two-public"
        with pytest.raises(StorageFailed, match="check region and interface"):
            tokens(server, "/v3", {**more, "region": "three"}).now()
    assert server.received[0].target == "/v3/auth/tokens"
    assert asked["scope"]["project"] == {"name": "hub", "domain": {"name": "Default"}}
    user = {"name": "user", "domain": {"name": "people"}, "password": "word"}
    assert asked["identity"] == {"methods": ["password"], "password": {"user": user}}


def test_keystone_gets_an_application_credential():
    with Scripted(keystone(("one", "public"))) as server:
        assert tokens(server, "/v3", {"credential": "application"}).now().token == "the token"
        asked = json.loads(server.received[0].body)["auth"]
    given = {"id": "user", "secret": "word"}
    assert asked == {"identity": {"methods": ["application_credential"], "application_credential": given}}


def test_an_answer_that_is_none_of_openstack_s_is_told():
    for step, words in ((answer(200, b"hello"), "none of OpenStack's"), (answer(404), "check auth in storage.url")):
        with Scripted(step) as server:
            for path, more in (("/auth/v1.0", {}), ("/v3", {"project": "hub"})):
                with pytest.raises(StorageFailed, match=words):
                    tokens(server, path, more).now()
