"""Pulls by the v1 API of what was pushed by v2, as old engines make them, and who may make them."""

import json

import pytest

from tests.clients.content import upload
from tests.protocol import wire
from tests.support.http import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Client, descriptor
from tests.support.images import DOCKER, OCI, Layout, image_config, layer_tar, noise
from tests.support.people import As, People, basic, bearer
from tests.support.server import Registry
from tests.support.v1 import ENGINES, Engine

LAYERS = [layer_tar({name: noise(size, size)}) for name, size in (("base", 90_000), ("middle", 3_000), ("top", 70_000))]
NONE = "0" * 64


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """bob owns acme; eve is a stranger there."""
    root = tmp_path_factory.mktemp("v1")
    layout = Layout(root / "layout")
    image = layout.image(LAYERS, compression="")
    with Registry(root / "data", 2, auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "eve", "off")
        people.command("user", "promote", "ann")
        people.command("org", "add", "acme", "--owner", "bob")
        with As(registry.address, people.shown("ann")) as ann:
            for name in ("app", "acme/public", "acme/secret"):
                upload(ann, layout, name, "v1", image)
            ann.push_image("acme/secret", "own", [b"only here"])
            ann.push_image("acme/public", "v2", [LAYERS[0], b"another"])
            ann.push_image("acme/charts", "c1", [b"chart"], artifactType="application/vnd.cncf.helm.config.v1+json")
        for name in ("app", "acme/public", "acme/charts"):
            people.command("repository", "set", name, "--public")
        yield registry


@pytest.fixture
def people(registry):
    return People(registry)


@pytest.fixture
def engine(registry):
    return Engine(registry.address)


@pytest.fixture
def ann(registry, people):
    with As(registry.address, people.shown("ann")) as ann:
        yield ann


def shown(name: str, password: str = "") -> str:
    return (basic(name, password) if password else basic(name))["Authorization"]


def top(engine: Engine, name: str, tag: str = "v1") -> str:
    """The id of the last image, by the list of tags."""
    engine.begin(name)
    return engine.tag(name, tag)


@pytest.mark.parametrize("version", ENGINES)
@pytest.mark.parametrize("name", ["app", "acme/public"])
def test_each_engine_gets_the_layers_that_were_pushed(registry, version, name):
    images = Engine(registry.address, version).pull(name, "v1")
    assert [layer for _, layer in reversed(images)] == LAYERS
    (last, _), *below = images
    assert last["config"] == {"Cmd": ["/hello"]} and (last["os"], last["architecture"]) == ("linux", "amd64")
    assert not {"rootfs", "history"} & set(last)
    assert [image.get("parent") for image, _ in images] == [image["id"] for image, _ in below] + [None]
    assert all(set(image) <= {"id", "parent", "created"} for image, _ in below)


@pytest.mark.parametrize("family", [OCI, DOCKER])
def test_of_an_index_the_image_for_linux_amd64(engine, ann, tmp_path, family):
    layout = Layout(tmp_path / "layout", family)
    images = [layout.image([layer_tar({"on": name.encode()})], name) for name in ("arm64", "amd64")]
    upload(ann, layout, "many", "v1", layout.index(images))
    upload(ann, layout, "many", "arm", layout.index(images[:1]))
    [(last, _)] = engine.pull("many", "v1")
    assert last["architecture"] == "amd64"
    refused = engine.get("/v1/repositories/many/tags/arm").expect(400)
    assert "linux/amd64" in refused.json()["error"]
    assert list(engine.get("/v1/repositories/many/tags").json()) == ["v1"]


def test_what_engines_of_v1_cannot_read_is_refused_in_words(engine, ann, tmp_path):
    layout = Layout(tmp_path / "layout")
    upload(ann, layout, "modern", "v1", layout.image(LAYERS[:1], compression="zstd"))
    ann.push_image("modern", "empty", [])
    for tag, part in (("v1", "layer 1 is compressed with Zstandard"), ("empty", "no image with layers")):
        engine.begin("modern")
        assert part in engine.get(f"/v1/repositories/modern/tags/{tag}").expect(400).json()["error"]
    assert engine.get("/v1/repositories/modern/tags").expect(200).json() == {}
    assert engine.begin("modern") == []
    assert "tag not found" in engine.get("/v1/repositories/modern/tags/none").expect(404).json()["error"]


def test_an_id_means_the_same_bytes_everywhere(registry, engine, ann):
    one, other, second = (
        [image["id"] for image, _ in engine.pull(name, tag)]
        for name, tag in (("app", "v1"), ("acme/public", "v1"), ("acme/public", "v2"))
    )
    assert one == other and one[-1] == second[-1] and not {*one[:-1]} & {*second[:-1]}
    registry.stop()
    registry.start()
    assert [image["id"] for image, _ in engine.pull("app", "v1")] == one


def test_nobody_puts_other_bytes_under_the_id_of_another_image(engine, ann):
    """The config says which layers there are; a manifest with other ones gets other ids."""
    config = image_config(LAYERS)
    layers = [LAYERS[0], b"evil", LAYERS[2]]
    for data in (*layers, config):
        ann.push_blob("evil", data)
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, OCI_CONFIG)}
    ann.push_manifest("evil", "v1", {**document, "layers": [descriptor(layer, OCI_LAYER) for layer in layers]})
    good = [image["id"] for image, _ in engine.pull("app", "v1")]
    evil = [image["id"] for image, _ in engine.pull("evil", "v1")]
    assert good[2] == evil[2] and not {*good[:2]} & {*evil[:2]}


def test_a_broken_layer_is_gone_on_with(engine):
    """docker asks for a range whose end is the size, one byte behind the last one."""
    layer = f"/v1/images/{top(engine, 'app')}/layer"
    size = len(LAYERS[2])
    rest = engine.get(layer, Range=f"bytes=1000-{size}").expect(206)
    assert (rest.body, rest.headers["Content-Range"]) == (LAYERS[2][1000:], f"bytes 1000-{size - 1}/{size}")
    assert engine.get(layer, Range="bytes=0-0").expect(206).body == LAYERS[2][:1]
    assert engine.get(layer, Range="bytes=-3").expect(206).body == LAYERS[2][-3:]
    past = engine.get(layer, Range=f"bytes={size}-{size}").expect(416)
    assert (past.body, past.headers["Content-Length"]) == (b"", "0")
    assert engine.get(layer, Range="bytes=0-1,5-6").expect(200).body == LAYERS[2]
    head = engine.send("HEAD", layer, {"Authorization": engine.token}).expect(200)
    assert (head.headers["Content-Length"], head.body) == (str(size), b"")


@pytest.mark.parametrize("id", [NONE, "0" * 16, "A" * 64, "..", "x"])
def test_ids_that_nothing_has(engine, id):
    engine.begin("app")
    for kind in ("json", "ancestry", "layer"):
        assert len(engine.get(f"/v1/images/{id}/{kind}").expect(404).json()["error"]) > 10


def test_an_id_is_no_way_around_a_private_repository(registry, engine, people):
    bob, eve = (Engine(registry.address, basic=shown(name)) for name in ("bob", "eve"))
    own = top(bob, "acme/secret", "own")
    assert [layer for _, layer in bob.pull("acme/secret", "own")] == [b"only here"]
    engine.begin("app"), eve.begin("app")
    for kind in ("json", "ancestry", "layer"):
        path = f"/v1/images/{own}/{kind}"
        # Often enough for both workers to know the id.
        for _ in range(6):
            bob.get(path).expect(200)
        bob.send("GET", path, {"Authorization": bob.basic}).expect(200)
        hidden = {
            each.expect(404).body
            for each in (
                eve.get(path),
                engine.get(path),
                eve.send("GET", path, {"Authorization": eve.basic}),
                engine.send("GET", path),
                engine.send("GET", path, {"Authorization": "Basic Og=="}),
                engine.get(f"/v1/images/{NONE}/{kind}"),
            )
        }
        assert len(hidden) == 1, hidden
    for name in ("acme/secret", "acme/none"):
        eve.send("GET", f"/v1/repositories/{name}/images", {"Authorization": eve.basic}).expect(404)
        engine.send("GET", f"/v1/repositories/{name}/images").expect(401)
        eve.get(f"/v1/repositories/{name}/tags").expect(404)


def test_a_token_is_for_its_user_repository_and_time(registry, engine, people):
    bob = Engine(registry.address, basic=shown("bob"))
    own = top(bob, "acme/secret", "own")
    signature = bob.token.partition("signature=")[2].partition(",")[0]
    bob.begin("acme/public")
    path = f"/v1/images/{own}/layer"
    bob.get(path).expect(404)
    # The text beside the signature is not what counts.
    bob.send("GET", path, {"Authorization": bob.token.replace("acme/public", "acme/secret")}).expect(401)
    bob.get("/v1/repositories/acme/secret/tags").expect(401)
    for wrong in (
        "Token ",
        "Token Token",
        bob.token[:-2],
        bob.token.replace("signature=", "signature=x"),
        bob.token.replace("access=read", "access=write"),
        bearer(signature)["Authorization"],
    ):
        answer = bob.send("GET", path, {"Authorization": wrong}).expect(401)
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    signed = people.bearer(basic("bob"), "repository:acme/secret:pull")
    short = signed["Authorization"].partition(" ")[2]
    wire.request(registry.address, "GET", path, [*signed.items()]).expect(200)
    other = f'Token signature={short},repository="acme/secret",access=read'
    bob.send("GET", path, {"Authorization": other}).expect(401)


def test_a_token_makes_no_other_one(registry, engine, people):
    engine.begin("app")
    again = engine.get("/v1/repositories/app/images").expect(200)
    assert again.headers["X-Docker-Token"] is None
    signed = people.bearer(basic("bob"), "repository:app:pull")
    answer = wire.request(registry.address, "GET", "/v1/repositories/app/images", [*signed.items()]).expect(200)
    assert answer.headers["X-Docker-Token"] is None


def test_a_pull_ends_with_the_right_to_it(registry, people):
    off = Engine(registry.address, basic=shown("off"))
    people.command("grant", "add", "acme/secret", "--to", "user:off", "--right", "read")
    path = f"/v1/images/{top(off, 'acme/secret')}/layer"
    for _ in range(6):
        off.get(path).expect(200)
    people.command("grant", "remove", "acme/secret", "--from", "user:off")
    off.get(path).expect(404)
    people.command("user", "disable", "off")
    off.get(path).expect(401)


def test_logging_in(engine):
    new = {"username": "bob", "password": "correct horse", "auth": "", "email": "b@example.org"}
    engine.send("POST", "/v1/users/", {"Content-Type": "application/json"}, new).expect(401)
    assert engine.send("GET", "/v1/users/", {"Authorization": shown("bob")}).expect(200).json() == "OK"
    for fields in ({}, {"Authorization": "Basic Og=="}, {"Authorization": shown("bob", "wrong horse")}):
        engine.send("GET", "/v1/users/", fields).expect(401)


def test_what_is_not_there_yet_says_so(engine):
    engine.begin("app")
    for method, path, status in (
        ("PUT", "/v1/repositories/app/", 404),
        ("PUT", f"/v1/images/{NONE}/json", 405),
        ("PUT", "/v1/repositories/app/tags/v1", 405),
        ("DELETE", "/v1/repositories/app/images", 405),
        ("GET", "/v1/repositories/app/properties", 404),
    ):
        answer = engine.send(method, path, {"Authorization": engine.token}, "x" if method == "PUT" else None)
        assert list(answer.expect(status).json()) == ["error"]
    assert "of the v1 API: push below /v2/" in engine.send("PUT", "/v1/repositories/app/", {}, []).json()["error"]


def test_names(engine):
    engine.send("GET", "/v1/repositories/Upper/images").expect(400)
    engine.send("GET", "/v1/repositories/a%2Fb/images").expect(404)
    engine.begin("library/app")
    engine.get("/v1/repositories/library/app/tags/a%20b").expect(400)


def test_without_accounts(tmp_path):
    with Registry(tmp_path / "data", 1, auth_anonymous="push") as registry, Client(registry.address) as client:
        client.push_image("app", "v1", LAYERS)
        for basic_ in ("", shown("anybody")):
            images = Engine(registry.address, "1.4.1", basic_).pull("app", "v1")
            assert [layer for _, layer in reversed(images)] == LAYERS
        bare = json.loads(client.get("/v1/repositories/app/tags/v1").body)
        assert client.get(f"/v1/images/{bare}/layer").expect(200).body == LAYERS[2]


def test_a_server_that_speaks_v1_only(registry):
    """docker 1.6 to 1.10 speak v1 only where /v2/ is absent, and says nothing of v2."""
    registry.stop()
    registry.configure(server_apis="v1")
    registry.start()
    answer = wire.request(registry.address, "GET", "/v2/").expect(404)
    assert answer.headers["Docker-Distribution-Api-Version"] is None
    assert len(Engine(registry.address, "1.6.2").pull("app", "v1")) == 3
    registry.stop()
    registry.configure(server_apis="v2,v1,api,ui")
    registry.start()


def test_what_is_deleted_is_not_found_any_more(registry, ann):
    """Though the workers remember what its id meant."""
    ann.push_image("gone", "v1", [b"soon gone"])
    engine = Engine(registry.address, basic=shown("ann"))
    paths = [f"/v1/images/{top(engine, 'gone')}/{kind}" for kind in ("json", "ancestry", "layer")]
    for path in paths * 4:
        engine.get(path).expect(200)
    ann.request("DELETE", "/api/v1/repositories/gone").expect(200, 204)
    for path in paths * 4:
        engine.get(path).expect(404)
