"""Each part of the registry answers in its own way: its header fields, and the form of its errors, whoever refuses."""

import pytest

from tests.protocol import wire
from tests.protocol.refusal import well_formed
from tests.support.server import Registry, free_port

VERSION = "Docker-Distribution-API-Version"
# path: (the version header, Cache-Control of errors)
FACES = {
    "/v2/": ("registry/2.0", None),
    "/v2/app/nothing": ("registry/2.0", None),
    "/v2/app/tags/list": ("registry/2.0", None),
    "/v2/app/manifests/none": ("registry/2.0", None),
    "/api/v1/nothing": (None, "no-store"),
    "/api/v1/users": (None, "no-store"),
    "/token": (None, None),
    "/healthz": (None, None),
    "/nowhere": (None, "no-store"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address of the registry, address of its metrics)."""
    metrics = f"127.0.0.1:{free_port()}"
    with Registry(tmp_path_factory.mktemp("faces"), workers=1, auth_anonymous="push", metrics_listen=metrics) as found:
        yield found.address, metrics


@pytest.fixture(params=FACES)
def face(request):
    return request.param, *FACES[request.param]


def told(answer) -> tuple[str | None, str | None]:
    return answer.headers[VERSION], answer.headers["Cache-Control"]


@pytest.mark.parametrize("method", ["BREW", "TRACE"])
def test_a_method_that_is_not_there(served, face, method):
    """/api/ looks for it behind the permission, the others where they look for the path."""
    path, *expected = face
    answer = wire.request(served[0], method, path).expect(404, 405)
    well_formed(answer)
    assert told(answer) == tuple(expected)


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        ("GET {} HTTP/1.1", "Host: x\r\nHost: y", 400),
        ("GET {} HTTP/1.1", "Host: x\r\nContent-Length: 1, 2", 400),
        ("GET {} HTTP/1.1", "Host: x\r\nX-Odd : y\0", 400),
        ("GET {} HTTP/1.1", "Host: x\r\nno colon", 400),
        ("GET {} HTTP/1.1 and more", "Host: x", 400),
        ("GET {} HTTP/one", "Host: x", 400),
        ("GET {}?a=b", "Host: x", 400),
        ("GET {} HTTP/1.1", "Host: x\r\nContent-Encoding: gzip", 415),
        ("GET {} HTTP/1.1", "Host: x\r\nX-Long: " + "l" * 20_000, 431),
        ("GET {} HTTP/1.1", "Host: x\r\nX-Long: " + "l" * 80_000, 431),
        ("GET {}?" + "q" * 9_000 + " HTTP/1.1", "Host: x", 414),
    ],
)
def test_what_is_refused_before_it_is_routed(served, face, line, fields, status):
    path, *expected = face
    request = f"{line.format(path)}\r\n{fields}\r\n\r\n".encode("latin1")
    with wire.Connection(served[0]) as connection:
        connection.send(request)
        answer = connection.reply()
        well_formed(answer.expect(status))
        assert told(answer) == tuple(expected)
        assert answer.headers["Content-Length"] == str(len(answer.body))
        # It is the only answer: next comes that of the next request, or the end.
        if wire.goes_on(answer):
            assert connection.request("GET", "/healthz").expect(200).body == b"ok\n"
        else:
            assert connection.rest() == b""


def test_answers_without_an_error(served):
    registry, metrics = served
    found = {path: wire.request(registry, "GET", path).expect(200).headers for path in ("/v2/", "/token", "/healthz")}
    found["/metrics"] = wire.request(metrics, "GET", "/metrics").expect(200).headers
    versions = {path: headers[VERSION] for path, headers in found.items()}
    assert versions == {"/v2/": "registry/2.0", "/token": None, "/healthz": None, "/metrics": None}
    for headers in found.values():
        assert headers["X-Request-Id"] and headers["X-Content-Type-Options"] == "nosniff" and headers["Date"]


def test_a_listener_serves_only_what_is_its_own(served):
    registry, metrics = served
    for path in ("/v2/", "/api/v1/openapi.json", "/token", "/healthz", "/"):
        answer = wire.request(metrics, "GET", path).expect(404)
        assert "the metrics are at /metrics" in well_formed(answer)["message"] and answer.headers[VERSION] is None
    wire.request(registry, "GET", "/metrics").expect(404)
