"""Registries whose blobs are in a vendor's store: how many requests it gets, and where clients find their bytes."""

import random

import pytest

from tests.protocol.test_object_store import PART, fetched, push_as_docker
from tests.support.clouds import Cloud
from tests.support.http import Client
from tests.support.server import Registry
from tests.support.store_proxy import StoreProxy

pytestmark = pytest.mark.edge


@pytest.mark.parametrize("vendor", ["oss", "cos", "bos", "kodo"])
def test_a_push_asks_for_its_parts_and_two_more_and_a_pull_for_nothing(tmp_path, vendor):
    cloud, data = Cloud(vendor), random.Random(1).randbytes(2 * PART + 5)
    with StoreProxy(int(cloud.make().rpartition(":")[2])) as proxy:
        settings = cloud.settings(proxy.endpoint, "hub")
        with (
            Registry(tmp_path / "data", auth_anonymous="push", **settings) as registry,
            Client(registry.address) as client,
        ):
            proxy.asked.clear()
            client.push_image("app", "v1", [data[:1000], data[:30_000]])
            client.pull_image("app", "v1")
            assert proxy.settle() == []
            digest = push_as_docker(client, "app", data)
            assert len(proxy.settle()) == 3 + 2
            client.head(f"/v2/app/blobs/{digest}").expect(200)
            client.get(f"/v2/app/blobs/{digest}").expect(307)
            assert len(proxy.settle()) == 3 + 2
            assert fetched(client, "app", digest) == data
