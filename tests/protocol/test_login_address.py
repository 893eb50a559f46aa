"""Where clients are told to log in, whatever host they name."""

from __future__ import annotations

import pytest

from tests.support.http import Client
from tests.support.people import People
from tests.support.server import Registry


@pytest.mark.edge
def test_the_configured_address_is_where_to_log_in(tmp_path):
    with (
        Registry(tmp_path / "data", 1, server_external_url="https://hub.example:8443") as registry,
        Client(registry.address) as client,
    ):
        People(registry).add("ann")
        for host in ("evil.example", "a$b", registry.address):
            challenge = client.get("/v2/", {"Host": host}).expect(401).headers["WWW-Authenticate"]
            assert challenge == 'Bearer realm="https://hub.example:8443/token",service="hub.example:8443"'
        assert client.get("/token?service=dockboard-registry").expect(400)
        client.get("/token?service=hub.example:8443").expect(200)


@pytest.mark.edge
def test_a_host_that_is_none_is_not_put_into_a_header(tmp_path):
    with Registry(tmp_path / "data", 1) as registry, Client(registry.address) as client:
        People(registry).add("ann")
        for host in ("a$b", "x&y:5000", "-", "a..=b"):
            answer = client.get("/v2/", {"Host": host}).expect(400)
            assert answer.headers["WWW-Authenticate"] is None
