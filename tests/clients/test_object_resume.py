"""containerd goes on with a layer whose bytes from the object store broke off, where a signed URL led it."""

from __future__ import annotations

import pytest

from tests.clients.content import upload
from tests.clients.test_ctr import fetched
from tests.support import object_stores
from tests.support.images import layer_tar, noise
from tests.support.server import Registry
from tests.support.store_proxy import StoreProxy, closed_early

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def store_proxy():
    with StoreProxy(object_stores.shared("versitygw").port) as made:
        yield made


@pytest.fixture(scope="module")
def registry(tmp_path_factory, store_proxy):
    """Its clients reach the store through the proxy."""
    store = object_stores.shared("versitygw")
    settings = store.settings(store.make(), more=f"&redirect_endpoint={store_proxy.endpoint}")
    with Registry(tmp_path_factory.mktemp("objects") / "data", auth_anonymous="push", **settings) as running:
        yield running


def test_a_layer_that_broke_off_goes_on_from_there(ctr, client, repository, target, layout, store_proxy):
    image = layout.image([layer_tar({"long": noise(9_000_000, 4711)})])
    upload(client, layout, repository, "v1", image)
    store_proxy.once("GET", closed_early)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", f"{target}:v1")
    assert fetched(ctr) == layout.digests()
    first, second = [asked for asked in store_proxy.asked if asked.method == "GET"]
    assert first.path == second.path
    start = int(second.fields["range"].removeprefix("bytes=").partition("-")[0])
    assert start > 1_000_000
