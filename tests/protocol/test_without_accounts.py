"""Before there is an account, this machine may do everything, and web pages from elsewhere may do nothing."""

from __future__ import annotations

import re

import pytest

from tests.support.http import Client
from tests.support.nginx import Nginx
from tests.support.people import People, basic
from tests.support.server import Registry


@pytest.mark.edge
def test_without_accounts_this_machine_may_do_everything_but_through_no_proxy(tmp_path):
    with Registry(tmp_path / "data", 1) as registry, Client(registry.address) as client:
        client.push_image("app", "v1")
        for name in ("X-Forwarded-For", "X-Forwarded-Whatever", "Forwarded", "Via", "X-Real-IP", "x-forwarded-host"):
            answer = client.get("/v2/app/manifests/v1", {name: "127.0.0.1"}).expect(403)
            assert answer.code() == "DENIED" and answer.headers["WWW-Authenticate"] is None
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "http://evil.example", "Host": "evil.example"},
            {"Origin": "null"},
        ):
            client.request("POST", "/v2/app/blobs/uploads/", headers).expect(403)
        client.request("POST", "/v2/app/blobs/uploads/", {"Origin": registry.url}).expect(202)
        client.get("/v2/app/manifests/v1", basic("nobody", "nothing")).expect(200)
        with Nginx(tmp_path / "nginx", registry.address, told=False) as nginx, Client(nginx.address) as far:
            far.request("POST", "/v2/app/blobs/uploads/").expect(403)
            far.get("/v2/app/manifests/v1").expect(403)
        People(registry).add("ann")
        client.get("/v2/app/manifests/v1").expect(401)
        assert client.get("/v2/", basic("nobody", "nothing")).expect(401).code() == "UNAUTHORIZED"
        assert re.fullmatch(
            r"Bearer realm=\"[^\"]+\",service=\"[^\"]+\"", client.get("/v2/").expect(401).headers["WWW-Authenticate"]
        )


OURS = (
    "localhost:5000",
    "127.0.0.1:5000",
    "127.0.0.1",
    "[::1]:5000",
    "10.1.2.3",
    "registry:5000",
    "host.docker.internal:5000",
    "kind.local",
    "x.localhost",
)


STRANGE = (
    "hub.example",
    "evil.example",
    "evil.example:5000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io:5000",
    "evil.localhost.example",
    "1.2.3",
    "[:::]",
)


@pytest.mark.edge
def test_without_accounts_no_web_page_from_elsewhere_is_let_in(tmp_path):
    """Its browser may be made to ask this machine by the page's own name (DNS rebinding), and tells where a page is
    from that asks another.

    Nor is anybody who comes by the registry's public name: a proxy may pass it on, and add nothing.
    """
    with (
        Registry(tmp_path / "data", 1, server_external_url="https://hub.example") as registry,
        Client(registry.address) as client,
    ):
        client.push_image("app", "v1")
        for host in OURS:
            client.get("/v2/app/manifests/v1", {"Host": host}).expect(200)
            client.request("POST", "/v2/app/blobs/uploads/", {"Host": host}).expect(202)
        for headers in (
            *({"Host": host} for host in STRANGE),
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:3000"},
        ):
            for method, path in (
                ("GET", "/v2/app/manifests/v1"),
                ("POST", "/v2/app/blobs/uploads/"),
                ("DELETE", "/v2/app/manifests/v1"),
                ("GET", "/v2/_catalog"),
            ):
                answer = client.request(method, path, headers).expect(403)
                assert answer.code() == "DENIED" and "localhost" in answer.json()["errors"][0]["message"]
        client.get("/v2/app/manifests/v1", {"Origin": f"http://{registry.address}"}).expect(200)


@pytest.mark.edge
def test_what_is_private_belongs_to_somebody(tmp_path):
    """Where everyone may push, a private repository of nobody's would answer otherwise than one that is not there."""
    with Registry(tmp_path / "data", 1, auth_anonymous="push") as registry, Client(registry.address) as client:
        client.push_image("wild/app", "v1")
        people = People(registry)
        people.add("ann")
        done = registry.prepare("repository", "set", "wild/app", "--private")
        assert done.returncode == 2 and "nobody holds the namespace wild" in done.stderr
        client.get("/v2/wild/app/manifests/v1", people.bearer({}, "repository:wild/app:pull")).expect(200)
        people.command("org", "add", "wild", "--owner", "ann")
        client.get("/v2/wild/app/manifests/v1").expect(401)
        client.get("/v2/wild/none/manifests/v1").expect(401)
