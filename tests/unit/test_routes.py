"""The route table: names of any depth, and names that are made of the route's own words."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockboard_registry.errors import NotFound, Unsupported
from dockboard_registry.http.messages import decoded
from dockboard_registry.web.listeners import METRICS, REGISTRY, Routes

DIGEST = "sha256:" + "0" * 64
ROUTES = Routes(REGISTRY, SimpleNamespace(metrics=None))
WITHOUT_PAGES = Routes(REGISTRY, SimpleNamespace(metrics=None), ("v2", "api"))
WORDS = ["a", "blobs", "manifests", "tags", "list", "uploads", "referrers", "v2", "latest", "_catalog"]
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map("/".join)


def found(path: str) -> tuple[str, tuple[str, ...]]:
    endpoint, arguments = ROUTES.face(path).find(path)
    return endpoint.name, arguments


def missing(path: str) -> bool:
    try:
        WITHOUT_PAGES.face(path).find(path)
    except NotFound:
        return True
    return False


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v2/", "base"),
        ("/v2", "base"),
        ("/v2/_catalog", "catalog"),
        ("/healthz", "health"),
        ("/readyz", "health"),
        ("/api/v1/users", "api"),
        ("/api/", "api"),
    ],
)
def test_fixed_paths(path, name):
    assert found(path) == (name, ())


@given(NAMES)
def test_every_route_with_any_name(name):
    assert found(f"/v2/{name}/manifests/latest") == ("manifest", (name, "latest"))
    assert found(f"/v2/{name}/manifests/{DIGEST}") == ("manifest", (name, DIGEST))
    assert found(f"/v2/{name}/blobs/{DIGEST}") == ("blob", (name, DIGEST))
    assert found(f"/v2/{name}/blobs/uploads/") == ("uploads", (name,))
    assert found(f"/v2/{name}/blobs/uploads") == ("uploads", (name,))
    assert found(f"/v2/{name}/blobs/uploads/0123abcd") == ("upload", (name, "0123abcd"))
    assert found(f"/v2/{name}/tags/list") == ("tags", (name,))
    assert found(f"/v2/{name}/referrers/{DIGEST}") == ("referrers", (name, DIGEST))


@given(NAMES, NAMES)
def test_different_names_are_never_taken_for_each_other(one, other):
    paths = ["manifests/t", "blobs/" + DIGEST, "blobs/uploads/", "blobs/uploads/id", "tags/list", "referrers/" + DIGEST]
    for path in paths:
        if one != other:
            assert found(f"/v2/{one}/{path}") != found(f"/v2/{other}/{path}")


def test_very_deep_names():
    name = "/".join(["a"] * 2000)
    assert found(f"/v2/{name}/manifests/latest") == ("manifest", (name, "latest"))


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v1/", "/v2x", "/v3/a/manifests/b", "/v2/a", "/v2/a/b", "/v2/a/tags", "/v2/a/tags/", "/v2/a/tags/lists",
     "/v2/a/manifest/b", "/v2/a/blob/b",
     "/v2/a/uploads/b", "/v2/a/blobs/upload/b", "/V2/a/manifests/b", "//v2/a/manifests/b", "/v2/_catalog/",
     "/v2/a/_catalog", "/healthz/", "/metrics",
     "v2/a/manifests/b", "/v2/a/uploads/", "/v2/uploads/x", "/v2/blobs/uploads/x", "http://h/v2/", "*"],
)  # fmt: skip
def test_what_is_no_path(path):
    assert missing(path)


@pytest.mark.parametrize(
    "path", ["/v2/a/manifests/", "/v2//manifests/x", "/v2/manifests/x", "/v2/blobs/x", "/v2/a//blobs/x"]
)
def test_empty_arguments_reach_the_grammars_that_refuse_them(path):
    assert "" in found(path)[1] or found(path)[1][0].endswith("/")


def test_escapes_are_undone_once():
    assert found("/v2/a/manifests/v%31") == ("manifest", ("a", "v1"))
    assert found(f"/v2/a/blobs/sha256%3A{'0' * 64}") == ("blob", ("a", DIGEST))
    assert found("/v2/a/manifests/%2531") == ("manifest", ("a", "%31"))
    assert found("/v2/%61/tags/list") == ("tags", ("a",))


@pytest.mark.parametrize(
    "path",
    [
        "/v2/a%2Fb/manifests/x",
        "/v2/a%2fb/manifests/x",
        "/v2/a/manifests/x%2Fy",
        "/v2/a/manifests/%ff",
        "/v2/a/manifests/%c3",
    ],
)
def test_an_escaped_slash_or_broken_text_is_no_path(path):
    assert missing(path)
    assert decoded(path) is None


@given(st.text(max_size=30))
def test_any_path_is_found_or_not(text):
    for path in (text, "/v2/" + text):
        assert missing(path) or isinstance(found(path)[0], str)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v2/", "GET, HEAD"),
        ("/v2/a/manifests/b", "GET, HEAD, PUT, DELETE"),
        (f"/v2/a/blobs/{DIGEST}", "GET, HEAD, DELETE"),
        ("/v2/a/blobs/uploads/", "POST"),
        ("/v2/a/blobs/uploads/id", "GET, HEAD, PUT, PATCH, DELETE"),
        ("/v2/a/tags/list", "GET, HEAD"),
    ],
)
def test_methods_that_are_not_there_are_refused_with_those_that_are(path, methods):
    endpoint, _ = ROUTES.face(path).find(path)
    assert all(callable(endpoint.verb(method)) for method in methods.split(", "))
    for method in (
        "OPTIONS",
        "TRACE",
        "get",
        "Get",
        "SERVICES",
        "NAME",
        "VERB",
        "AUTHORISE",
        "REPOSITORY",
        "__INIT__",
        "",
        "G" * 5000,
    ):
        with pytest.raises(Unsupported) as refused:
            endpoint.verb(method)
        assert set(refused.value.headers["Allow"].split(", ")) == set(methods.split(", "))
        assert len(refused.value.cause) < 100


def test_the_metrics_listener_serves_nothing_else():
    routes = Routes(METRICS, SimpleNamespace(metrics=None))
    assert routes.face("/metrics").find("/metrics")[1] == ()
    for path in ("/", "/v2/", "/healthz", "/metrics/", "/v2/a/manifests/b"):
        with pytest.raises(NotFound):
            routes.face(path).find(path)


@pytest.mark.parametrize(
    ("paths", "face"),
    [
        (("/v2", "/v2/", "/v2/a/nothing", "/v2/a%2Fb/manifests/x", "/%76%32/a/tags/list", "/v2/%ff"), "Distribution"),
        (("/api/", "/api/v1/users", "/api/nothing"), "Management"),
        (("/v1", "/v1/", "/v1/_ping", "/_ping", "/v1/search", "/v1/nothing"), "RegistryV1"),
        (("/token",), "TokenServer"),
        (("/healthz", "/readyz"), "Health"),
        (("/", "", "*", "/v2x", "/api", "/token/", "/healthz/", "/metrics", "v2/", "http://h/v2/"), "Pages"),
    ],
)
def test_each_path_belongs_to_a_face(paths, face):
    assert {path: type(ROUTES.face(path)).__name__ for path in paths} == dict.fromkeys(paths, face)
