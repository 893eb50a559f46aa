"""Doubles of vendors' stores, judged by the vendors' own libraries, and what our drivers have besides the contract."""

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dockboard_registry.errors import StartError
from dockboard_registry.storage import Marker, stores
from dockboard_registry.storage.objects.bucket import Refused
from dockboard_registry.storage.objects.names import BLOBS, name_of
from tests.support.cloud_double import BUCKET, KEYS, REGION
from tests.support.clouds import Cloud, drop
from tests.support.object_stores import options
from tests.support.tools import tool

VENDORS = ("oss", "cos", "bos", "kodo")
JUDGES = Path(__file__).parents[1] / "support" / "sdks"
NAME = name_of("ab" * 20)


@pytest.fixture(params=VENDORS)
def cloud(request):
    return Cloud(request.param)


def driver(cloud: Cloud, more: str = "", **settings):
    return stores.driver(options({**cloud.settings(cloud.make(), "hub", more), **settings}))


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_vendor_s_library_takes_the_double_for_the_real_one(vendor):
    command = [tool("sdk-python"), JUDGES / f"judge_{vendor}.py", Cloud(vendor).make()]
    command += [BUCKET, REGION, KEYS.access_key, KEYS.secret_key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "judged\n", done.stderr


def test_clients_fetch_an_object_by_its_signed_url(cloud):
    bucket = driver(cloud).requests()
    bucket.put(NAME, b"for everybody")
    with urllib.request.urlopen(bucket.url(NAME), timeout=20) as found:
        assert found.read() == b"for everybody"
        assert found.headers["Content-Type"] == "application/octet-stream"
    with pytest.raises(urllib.error.HTTPError, match="40[13]"):
        urllib.request.urlopen(bucket.url(NAME).replace("ab/", "ab/ab", 1), timeout=20)
    bucket.close()


def test_clients_get_the_bucket_s_own_domain(cloud):
    """Vendors refuse downloads from their own names, so the second domain is the bucket's."""
    bucket = driver(cloud, "&redirect_endpoint=https://files.example").requests()
    assert bucket.url(NAME).startswith(f"https://files.example/hub/{NAME}?")
    bucket.close()


def test_hosts_are_those_of_the_vendors():
    keys = {"storage_access_key": "key", "storage_secret_key": "secret"}
    for url, host in (
        ("oss://hub?region=cn-hangzhou", "https://hub.oss-cn-hangzhou.aliyuncs.com/"),
        ("bos://hub?region=bj", "https://hub.bj.bcebos.com/"),
        ("cos://hub-125?region=ap-guangzhou", "https://hub-125.cos.ap-guangzhou.myqcloud.com/"),
        ("kodo://hub?region=z2", "https://hub.kodo-cn-south-1.qiniucs.com/"),
    ):
        bucket = stores.driver(options({"storage_url": url, **keys})).requests()
        assert bucket.url(NAME).startswith(f"{host}{NAME}?")
        bucket.close()


@pytest.mark.parametrize("cloud", ["oss", "cos", "bos"], indirect=True)
def test_temporary_keys_are_sent_with_their_token(cloud):
    bucket = driver(cloud, storage_session_token="the token").requests()
    bucket.put(NAME, b"x")
    assert "security-token=the%20token" in bucket.url(NAME)
    bucket.close()


def test_an_object_is_not_overwritten_where_it_must_be_new(cloud):
    bucket = driver(cloud).requests()
    bucket.put(NAME, b"first", if_absent=True)
    with pytest.raises(Refused) as refused:
        bucket.put(NAME, b"second", if_absent=True)
    assert refused.value.status == (412 if cloud.vendor == "bos" else 409)
    bucket.close()


@pytest.mark.parametrize("cloud", ["oss", "cos", "bos"], indirect=True)
def test_uploads_under_way_are_listed_page_by_page(cloud):
    bucket = driver(cloud).requests()
    names = [name_of(f"{number:040x}") for number in range(20)]
    begun = [(name, bucket.begin(name)) for name in names]
    for after, expected in (("", begun), (names[9], begun[10:]), (names[19], [])):
        found = [each for page in bucket.uploads(BLOBS, after) for each in page]
        assert [(each.name, each.upload) for each in found] == expected
    bucket.close()


def test_wrong_keys_and_a_missing_bucket_are_told_in_words(cloud):
    with pytest.raises(StartError, match="check storage.secret_key"):
        driver(cloud, storage_secret_key="another").prepare(Marker("owner", 0))
    lost = driver(cloud)
    drop(lost.requests())
    with pytest.raises(StartError, match="the bucket does not exist"):
        lost.prepare(Marker("owner", 0))


def test_another_registry_cannot_take_the_same_prefix(cloud):
    made = driver(cloud)
    made.prepare(Marker("first", 0))
    made.prepare(Marker("second", 0))
    assert made.marker() == Marker("first", 0)
