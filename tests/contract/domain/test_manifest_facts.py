"""Facts of manifests: what they say, and that they are stored after a push, once, and go with the manifest."""

import json

import pytest

from dockboard_registry.domain.content.small_blobs import LIMIT
from dockboard_registry.domain.inspection import manifest_facts
from dockboard_registry.domain.inspection.facts_filling import FactsFilling
from dockboard_registry.domain.inspection.inspector import Inspector
from dockboard_registry.domain.inspection.manifest_facts import ManifestFacts
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere
from tests.contract.domain.world import OCI_CONFIG, OCI_MANIFEST, OPERATOR, descriptor, image, index, sha256

CREATED = 1764321112000
ATTESTATION = {"vnd.docker.reference.type": "attestation-manifest"}


def config(architecture: str = "amd64", **more) -> bytes:
    return json.dumps({"os": "linux", "architecture": architecture, "created": "2025-11-28T09:11:52Z", **more}).encode()


async def pushed(process, made: bytes, *layers: bytes, tag: str = "", repository: str = "app", **more) -> str:
    """An image with this config; its digest."""
    for data in (made, *layers):
        await process.push(data, repository)
    return await process.put(image(made, *layers, **more), *filter(None, [tag]), repository=repository)


async def multi_platform(process, tag: str = "") -> tuple[str, str, str]:
    """An index of two platforms and an attestation; digests of the index and the two."""
    base, statement = b"base" * 100, b"statement"
    bodies = {name: image(config(name), base, name.encode()) for name in ("arm64", "amd64")}
    for name in bodies:
        await pushed(process, config(name), base, name.encode())
    await process.push(statement)
    await process.push(b"{}")
    attests = image(b"{}", statement)
    await process.put(attests)
    children = [
        descriptor(body, OCI_MANIFEST, platform={"os": "linux", "architecture": name}) for name, body in bodies.items()
    ]
    about = {**ATTESTATION, "vnd.docker.reference.digest": sha256(bodies["amd64"])}
    nobody = {"os": "unknown", "architecture": "unknown"}
    children.append(descriptor(attests, OCI_MANIFEST, platform=nobody, annotations=about))
    whole = await process.put(index(manifests=children), *filter(None, [tag]))
    return whole, sha256(bodies["arm64"]), sha256(bodies["amd64"])


async def facts(process, *digests: str, repository: str = "app", stored: bool = True) -> list[ManifestFacts | None]:
    def find(tx):
        (place,) = tx.one("SELECT id FROM repositories WHERE name = ?", repository)
        look = manifest_facts.stored if stored else manifest_facts.known
        return look(tx, place, digests)

    found = await process.db.scan(find)
    return [found.get(digest) for digest in digests]


def filling(process) -> FactsFilling:
    return FactsFilling(process.db, process.storage)


@everywhere
@asynchronous
async def test_an_image_and_an_index(process):
    whole, arm, amd = await multi_platform(process)
    await filling(process).examine([("app", whole), ("app", arm), ("app", amd), ("gone", amd)])
    sizes = {name: len(config(name)) + 400 + len(name) for name in ("arm64", "amd64")}
    of_index, of_arm, of_amd = await facts(process, whole, arm, amd)
    assert of_amd == ManifestFacts(
        "image", ("linux/amd64",), sha256(config()), amd, sizes["amd64"], sizes["amd64"], 2, None, CREATED
    )
    assert of_arm.platforms == ("linux/arm64",)
    assert of_index == of_amd._replace(
        kind="index",
        platforms=("linux/arm64", "linux/amd64"),
        total_size=sum(sizes.values()) - 400,
        attestations=1,
    )


@everywhere
@asynchronous
async def test_what_is_not_stored_is_found_out_where_it_is_shown(process, small):
    digest = await pushed(process, config(), b"layer")
    assert await facts(process, digest) == [None]
    (found,) = await facts(process, digest, stored=False)
    assert (found.kind, found.size, found.layers) == ("image", len(config()) + 5, 1)
    assert found.platforms == (("linux/amd64",) if small else ())


@everywhere
@asynchronous
async def test_a_config_is_read_only_in_a_repository_that_has_it(process):
    """Such a manifest cannot be pushed. Rows are removed here so that one names what only another repository has."""
    digest = await pushed(process, config(), b"layer")
    await pushed(process, config(), b"layer", repository="other")

    def unlink(tx):
        (place,) = tx.one("SELECT id FROM repositories WHERE name = 'app'")
        tx.run("DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ?", place, sha256(config()))

    await process.db.write(unlink)
    await filling(process).examine([("app", digest), ("other", digest)])
    inspector = Inspector(process.db, process.storage)
    for repository, platforms in (("app", ()), ("other", ("linux/amd64",))):
        assert [each.platforms for each in await facts(process, digest, repository=repository)] == [platforms]
        image_shown = (await inspector.inspect(repository, Reference(None, digest))).image
        assert (image_shown.config is not None) is bool(platforms)


@asynchronous
async def test_the_job_finds_what_is_missing_and_removes_what_is_left(process):
    kept = [await pushed(process, config(), b"layer %d" % n, repository=f"app{n % 2}", tag="v1") for n in range(6)]
    await process.db.write(lambda tx: tx.run("UPDATE tags SET sort_key = NULL"))
    await process.db.write(
        lambda tx: tx.insert("INSERT INTO manifest_facts (repository_id, digest, kind) VALUES (5, 'sha256:00', 'x')")
    )
    await filling(process).fill()
    assert await process.count("SELECT COUNT(*) FROM manifest_facts") == len(kept)
    assert await process.count("SELECT COUNT(*) FROM tags WHERE sort_key = '1111'") == 0
    assert await process.count("SELECT COUNT(*) FROM tags WHERE sort_key = '11'") == 2
    await filling(process).fill()
    assert await process.count("SELECT COUNT(*) FROM manifest_facts") == len(kept)


@asynchronous
async def test_facts_go_with_the_manifest_and_the_repository(process):
    first = await pushed(process, config(), b"first")
    second = await pushed(process, config(), b"second")
    await filling(process).fill()
    await process.manifests.delete("app", first)
    assert [found is None for found in await facts(process, first, second)] == [True, False]
    await process.deletion.delete(OPERATOR, "app")
    await process.deletion.purge()
    assert await process.count("SELECT COUNT(*) FROM manifest_facts") == 0


@asynchronous
async def test_configs_that_are_no_json_and_long_manifests_do_no_harm(process):
    broken = await pushed(process, b"\xff{", b"layer")
    odd = await pushed(process, b'{"os": ["linux"], "architecture": {}, "created": "yesterday", "config": 7}', b"layer")
    long = await pushed(process, config(), b"layer", annotations={"note": "x" * (1 << 20)})
    await filling(process).fill()
    found = await facts(process, broken, odd, long)
    assert [(each.kind, each.platforms, each.layers) for each in found] == [
        *[("image", (), 1)] * 2,
        ("image", (), None),
    ]


@pytest.mark.parametrize(
    ("config_type", "layer_types", "artifact_type", "kind"),
    [
        (OCI_CONFIG, [], None, "image"),
        (OCI_CONFIG, ["application/vnd.dev.cosign.simplesigning.v1+json"], None, "signature"),
        (OCI_CONFIG, ["application/vnd.dsse.envelope.v1+json"], None, "attestation"),
        ("application/vnd.cncf.helm.config.v1+json", [], None, "chart"),
        ("application/vnd.oci.empty.v1+json", [], "application/spdx+json", "sbom"),
        ("application/vnd.oci.empty.v1+json", [], "application/vnd.cncf.notary.signature", "signature"),
        ("application/vnd.wasm.config.v0+json", ["application/wasm"], None, "wasm"),
        ("application/vnd.acme.rocket.config", ["application/vnd.acme.rocket"], None, "artifact"),
    ],
)
@asynchronous
async def test_kinds(process, config_type, layer_types, artifact_type, kind):
    await process.push(b"config")
    await process.push(b"layer")
    layers = [descriptor(b"layer", each) for each in layer_types]
    document = {"schemaVersion": 2, "config": descriptor(b"config", config_type), "layers": layers}
    if artifact_type:
        document["artifactType"] = artifact_type
    digest = await process.put(json.dumps(document).encode(), media_type=OCI_MANIFEST)
    await filling(process).examine([("app", digest)])
    assert [found.kind for found in await facts(process, digest)] == [kind]


@pytest.fixture
def small():
    return LIMIT


def test_a_size_that_no_column_takes_is_the_largest_one():
    assert ManifestFacts("image", size=1 << 70, layers=3).row()[4:7] == ((1 << 63) - 1, None, 3)
