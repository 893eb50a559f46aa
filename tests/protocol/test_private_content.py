"""What is private stays so: beside a proxy that caches, and for those who ask many times or with long bodies."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol.test_accounts import LAYER, MANIFEST, people, registry
from tests.support.http import Client, digest_of
from tests.support.nginx import Nginx
from tests.support.people import As, basic


@pytest.mark.edge
def test_many_requests_find_out_at_once_that_a_login_has_ended(registry, people):
    """They show one password, whose remembered login ended with the account's generation of credentials."""
    people.add("gus")
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(16) as threads:
        clients = [stack.enter_context(people.as_user("gus")) for _ in range(16)]
        assert {client.get("/v2/gus/app/tags/list").status for client in clients} == {404}
        people.command("user", "disable", "gus")
        people.command("user", "enable", "gus")
        begin = threading.Barrier(len(clients))

        def ask(client: As) -> int:
            begin.wait(30)
            return client.get("/v2/gus/app/tags/list").status

        assert set(threads.map(ask, clients)) == {404}


@pytest.mark.edge
def test_a_proxy_that_caches_gives_nothing_private_away(registry, people, tmp_path):
    """Proxies look at Cache-Control; nginx keeps answers to requests with Authorization
    too where nothing forbids it.
    """
    with Nginx(tmp_path / "nginx", registry.address, cache=True) as nginx, Client(nginx.address) as nobody:
        digest = digest_of(LAYER)
        for path in (f"blobs/{digest}", "manifests/v1", "tags/list", f"referrers/{digest}"):
            for method in ("GET", "HEAD"):
                told = As(nginx.address, basic("bob")).request(method, f"/v2/acme/app/{path}").expect(200)
                assert "private" in told.headers["Cache-Control"]
                nobody.request(method, f"/v2/acme/app/{path}").expect(401)
                As(nginx.address, basic("eve")).request(method, f"/v2/acme/app/{path}").expect(404)
        for path in ("/v2/", "/v2/_catalog"):
            assert As(nginx.address, basic("ann")).get(path).expect(200).headers["Cache-Control"] == "private"
            assert (
                As(nginx.address, basic("bob")).get("/v2/acme/app/manifests/v1").expect(200).headers["Cache-Control"]
                == "private, no-cache"
            )
        assert nobody.get("/v2/acme/public/tags/list").expect(200).headers["Cache-Control"] == "no-cache"
        public = f"/v2/acme/public/blobs/{digest_of(b'for all')}"
        assert nobody.get(public).expect(200).headers["Cache-Control"] == "max-age=31536000, immutable"
        nobody.get(public).expect(200)
    assert [line for line in nginx.forwarded() if public in line] == [f"GET {public} HTTP/1.1"], (
        "what is public may be cached"
    )


@pytest.mark.edge
def test_a_long_manifest_that_one_may_not_see_is_not_read(people):
    """Else anybody could have megabytes read, and know from the time whether it is there."""
    with people.as_user("bob") as bob, people.as_user("eve") as eve:
        small = bob.get(MANIFEST).expect(200)
        document = {**small.json(), "annotations": {f"key{number}": "x" * 1000 for number in range(3000)}}
        body = json.dumps(document).encode()
        long = "/v2/acme/app/manifests/long"
        bob.request("PUT", long, {"Content-Type": small.headers["Content-Type"]}, body).expect(201)
        assert bob.get(long).expect(200).body == body
        assert int(bob.request("HEAD", long).expect(200).headers["Content-Length"]) == len(body)
        spent = {path: [] for path in (long, "/v2/acme/not/manifests/long")}
        for _ in range(50):
            for path, seconds in spent.items():
                begun = time.perf_counter()
                eve.get(path).expect(404)
                seconds.append(time.perf_counter() - begun)
    there, missing = map(min, spent.values())
    assert there < 3 * missing, (there, missing)
