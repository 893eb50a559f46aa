"""Manifests, tags and referrers: all or nothing, whole or refused, and never deleted from under what needs them."""

import asyncio
import json

import pytest

from dockboard_registry.domain.content.manifests import Manifests
from dockboard_registry.errors import DigestInvalid, InUse, ManifestBlobUnknown, ManifestUnknown, NameUnknown
from dockboard_registry.names import Reference, digest_of
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.world import Between, descriptor, image, index, sha256

TABLES = ("repositories", "manifests", "manifest_blobs", "manifest_children", "tags")
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


async def rows(process) -> dict[str, int]:
    """How many rows each table has that a manifest writes to."""

    def count(tx) -> dict[str, int]:
        return {
            "repositories": tx.one("SELECT COUNT(*) FROM repositories")[0],
            "manifests": tx.one("SELECT COUNT(*) FROM manifests")[0],
            "manifest_blobs": tx.one("SELECT COUNT(*) FROM manifest_blobs")[0],
            "manifest_children": tx.one("SELECT COUNT(*) FROM manifest_children")[0],
            "tags": tx.one("SELECT COUNT(*) FROM tags")[0],
        }

    return await process.db.read(count)


async def pushed(process, *layers: bytes, tag: str = "", repository: str = "app", **more) -> bytes:
    """An image with its blobs; the manifest's bytes."""
    for data in (b"config", *layers):
        await process.push(data, repository)
    body = image(b"config", *layers, **more)
    await process.put(body, *filter(None, [tag]), repository=repository)
    return body


@asynchronous
async def test_a_manifest_comes_back_byte_for_byte(process):
    await process.push(b"config")
    body = b"  " + image(b"config").replace(b",", b" ,\n") + b"\n"
    await process.put(body, "v1", "latest", media_type="application/vnd.oci.image.manifest.v1+json; charset=utf-8")
    for reference in ("v1", "latest", sha256(body)):
        found = await process.manifest("app", Reference.parse(reference))
        assert (found.body, found.digest) == (body, sha256(body))
        assert found.media_type == "application/vnd.oci.image.manifest.v1+json"


@asynchronous
async def test_what_is_missing_is_listed_all_at_once_and_nothing_is_stored(process):
    await process.push(b"there")
    before = await rows(process)
    with pytest.raises(ManifestBlobUnknown) as refused:
        await process.put(image(b"config", b"there", b"one", b"two"), "v1")
    assert set(refused.value.facts["digests"]) == {sha256(b"config"), sha256(b"one"), sha256(b"two")}
    assert await rows(process) == before


@asynchronous
async def test_a_refused_manifest_makes_no_repository(process):
    with pytest.raises(ManifestBlobUnknown):
        await process.put(image(b"config"), "v1", repository="new")
    assert await rows(process) == dict.fromkeys(TABLES, 0)
    with pytest.raises(NameUnknown):
        await process.tags.list("new", "", 10)


@asynchronous
async def test_blobs_of_another_repository_do_not_count(process):
    await pushed(process, b"layer", repository="other")
    with pytest.raises(ManifestBlobUnknown):
        await process.put(image(b"config", b"layer"), repository="app")
    for data in (b"config", b"layer"):
        await process.blobs.mount("app", sha256(data), "other")
    await process.put(image(b"config", b"layer"), repository="app")


@asynchronous
async def test_a_size_that_is_not_the_contents_is_stored_with_a_warning_that_is_remembered(process):
    """Layers and children alike: other registries store both."""
    for data in (b"config", b"layer"):
        await process.push(data)
    child = image(b"config", b"layer")
    await process.put(child)
    for wrong in (0, 4, 6, 2**63 - 1):
        for whole, key, right, digest in (
            (child, "layers", 5, sha256(b"layer")),
            (index(child), "manifests", len(child), sha256(child)),
        ):
            document = json.loads(whole)
            document[key][0]["size"] = wrong
            document[key] *= 3
            body = json.dumps(document).encode()
            for _ in range(2):
                stored = await process.manifests.put("app", Reference(None, sha256(body)), body, "", [])
                assert (
                    stored.warning
                    == f"{key}[0].size is {wrong}, but {digest} has {right} bytes; 2 more sizes are wrong"
                )
            assert await process.manifests.warning("app", sha256(body)) == stored.warning
            assert (await process.manifest("app", Reference(None, sha256(body)))).body == body
    assert await process.manifests.warning("app", sha256(child)) is None
    assert (await process.check()).problems == []


@asynchronous
async def test_a_warning_is_remembered_of_a_manifest_that_was_stored_without(process):
    """As by the version before, which did not look at the sizes of an index's manifests."""
    child = await pushed(process, b"layer")
    document = json.loads(index(child))
    document["manifests"][0]["size"] = 1
    body = json.dumps(document).encode()
    await process.put(body)
    await process.db.write(lambda tx: tx.run("UPDATE manifests SET warning = NULL"))
    await process.put(body)
    assert "manifests[0].size is 1" in await process.manifests.warning("app", sha256(body))


@pytest.mark.parametrize("count", [1, 15, 16, 17, 499, 500, 501, 516, 1100])
@asynchronous
async def test_references_are_recorded_however_many_there_are(process, count):
    """Statements for many rows come in a few sizes."""
    layers = [b"%d" % number for number in range(count)]
    await process.push(b"config")
    await process.db.write(lambda tx: link_all(tx, layers))
    children = [image(b"config", layer) for layer in layers[:20]]
    whole = image(b"config", *layers, *layers)
    await process.put(whole, "v1")
    for child in children:
        await process.put(child)
    await process.put(index(*children, *children), "all")
    await process.put(whole, "v2")
    found = await rows(process)
    assert found["manifest_blobs"] == count + 1 + 2 * len(children) and found["manifest_children"] == len(children)
    with pytest.raises(ManifestBlobUnknown) as refused:
        await process.put(image(b"config", *layers, b"missing", b"also missing"))
    assert refused.value.facts["digests"] == [sha256(b"missing"), sha256(b"also missing")]
    assert f"layers[{count}]" in refused.value.cause and "1 more" in refused.value.cause
    await process.manifests.delete("app", sha256(whole))
    assert (await rows(process))["manifest_blobs"] == 2 * len(children)


def link_all(tx, layers: list[bytes]) -> None:
    """Blobs of the repository, without their bytes: thousands of pushes take long."""
    (repository_id,) = tx.one("SELECT id FROM repositories WHERE name = 'app'")
    for layer in layers:
        tx.insert(
            "INSERT INTO blobs (digest, storage_key, size, created_at) VALUES (?, ?, ?, 0)",
            sha256(layer),
            sha256(layer)[7:71],
            len(layer),
        )
        tx.insert(
            "INSERT INTO repository_blobs (repository_id, digest, leased_at) VALUES (?, ?, 0)",
            repository_id,
            sha256(layer),
        )


@asynchronous
async def test_a_push_that_is_refused_never_writes(process):
    """What is missing is found out before the transaction, so that nobody waits for it."""
    child = await pushed(process, b"layer")
    # Jobs may write meanwhile, so only the writes of these pushes count.
    watched = Between(process.db, "write", lambda: asyncio.sleep(0))
    manifests = Manifests(watched)
    unknown = [image(b"%d" % number) for number in range(2000)]
    for body in (index(child, *unknown), image(b"config", b"no layer"), index(unknown[0])):
        with pytest.raises(ManifestBlobUnknown):
            await manifests.put("app", Reference(None, sha256(body)), body, "", [])
    assert not watched.acted
    manifests.close()


@asynchronous
async def test_what_is_deleted_between_the_question_and_the_transaction_is_missed(world, process):
    child = await pushed(process, b"layer")
    for number, (act, body) in enumerate(
        (
            (lambda: process.manifests.delete("app", sha256(child)), index(child)),
            (lambda: process.blobs.delete("app", sha256(b"layer")), image(b"config", b"layer", annotations={"a": "b"})),
        )
    ):
        other = Manifests(Between(process.db, "write", act))
        with pytest.raises(ManifestBlobUnknown) as refused:
            await other.put("app", Reference(None, sha256(body)), body, "", [])
        assert refused.value.facts["digests"] == [(sha256(child), sha256(b"layer"))[number]]
        other.close()
    assert (await process.check()).problems == []


@asynchronous
async def test_a_foreign_layer_that_is_deleted_meanwhile_is_not_needed(process):
    await process.push(b"config")
    await process.push(b"elsewhere")
    body = json.dumps({**json.loads(image(b"config")), "layers": [descriptor(b"elsewhere", FOREIGN)]}).encode()
    other = Manifests(Between(process.db, "write", lambda: process.blobs.delete("app", sha256(b"elsewhere"))))
    await other.put("app", Reference(None, sha256(body)), body, "", [])
    other.close()
    assert (await rows(process))["manifest_blobs"] == 1
    assert (await process.check()).problems == []


@asynchronous
async def test_a_digest_that_is_not_the_bodys_is_refused(process):
    await process.push(b"config")
    body = image(b"config")
    with pytest.raises(DigestInvalid) as refused:
        await process.manifests.put("app", Reference(None, sha256(b"else")), body, "", [])
    assert refused.value.facts["digest"] == sha256(body)
    sha512 = digest_of("sha512", body)
    assert (await process.manifests.put("app", Reference(None, sha512), body, "", [])).digest == sha512
    assert (await process.manifest("app", Reference(None, sha512))).body == body


@asynchronous
async def test_pushing_again_changes_nothing_but_the_tags(process):
    body = await pushed(process, b"layer", tag="a")
    before = await rows(process)
    await process.put(body, "a", "b")
    assert await rows(process) == {**before, "tags": 2}
    other = await pushed(process, b"other layer", tag="b")
    assert (await process.manifest("app", Reference("b", None))).body == other
    assert await process.tags.list("app", "", 10) == ["a", "b"]


@asynchronous
async def test_foreign_layers_need_not_be_there(process):
    await process.push(b"config")
    foreign = descriptor(b"elsewhere", FOREIGN, urls=["https://example.com/layer"])
    document = {**json.loads(image(b"config")), "layers": [foreign]}
    await process.put(json.dumps(document).encode(), "v1")
    assert (await process.check()).problems == []


@asynchronous
async def test_a_foreign_layer_that_was_pushed_later_is_kept_by_pushing_the_manifest_again(world, process):
    """docker pushes foreign layers with --allow-nondistributable-artifacts, then the manifest that is there already."""
    await process.push(b"config")
    foreign = descriptor(b"elsewhere", FOREIGN, urls=["https://example.com/layer"])
    body = json.dumps({**json.loads(image(b"config")), "layers": [foreign]}).encode()
    await process.put(body, "v1")
    await process.push(b"elsewhere")
    await process.put(body, "v1")
    await world.process(lease=0, grace=0).collect()
    assert await process.pull(sha256(b"elsewhere")) == b"elsewhere"


@asynchronous
async def test_an_index_needs_its_manifests(process):
    first, second = await pushed(process, b"1"), await pushed(process, b"2")
    with pytest.raises(ManifestBlobUnknown) as refused:
        await process.put(index(first, image(b"config", b"3"), second), "v1")
    assert refused.value.facts["digests"] == [sha256(image(b"config", b"3"))]
    whole = await process.put(index(first, second), "v1")
    assert (await process.manifest("app", Reference("v1", None))).digest == whole
    nested = await process.put(index(index(first, second)), "v2")
    assert nested != whole
    assert (await process.check()).problems == []


@asynchronous
async def test_what_an_index_needs_cannot_be_deleted(process):
    child = await pushed(process, b"1", tag="child")
    parent = await process.put(index(child), "parent")
    with pytest.raises(InUse) as refused:
        await process.manifests.delete("app", sha256(child))
    assert refused.value.facts == {"index": parent}
    assert await process.tags.list("app", "", 10) == ["child", "parent"]
    await process.manifests.delete("app", parent)
    assert await process.tags.list("app", "", 10) == ["child"]
    await process.manifests.delete("app", sha256(child))
    assert await rows(process) == {**dict.fromkeys(TABLES, 0), "repositories": 1}


@asynchronous
async def test_deleting_a_manifest_takes_all_its_tags_and_no_others(process):
    body = await pushed(process, b"1", tag="a")
    await process.put(body, "b", "c")
    await pushed(process, b"2", tag="d")
    await process.manifests.delete("app", sha256(body))
    assert await process.tags.list("app", "", 10) == ["d"]
    for attempt in (process.manifests.delete("app", sha256(body)), process.manifest("app", Reference("a", None))):
        with pytest.raises(ManifestUnknown):
            await attempt
    for attempt in (process.manifests.delete("none", sha256(body)), process.manifest("none", Reference("a", None))):
        with pytest.raises(NameUnknown):
            await attempt


@asynchronous
async def test_deleting_a_tag_leaves_the_manifest_and_its_other_tags(process):
    body = await pushed(process, b"1", tag="a")
    await process.put(body, "b")
    await process.tags.delete("app", "a")
    assert await process.tags.list("app", "", 10) == ["b"]
    assert (await process.manifest("app", Reference(None, sha256(body)))).body == body
    with pytest.raises(ManifestUnknown):
        await process.tags.delete("app", "a")
    with pytest.raises(NameUnknown):
        await process.tags.delete("none", "a")


@asynchronous
async def test_tags_and_names_are_listed_in_byte_order_page_by_page(process):
    body = await pushed(process, b"1")
    names = ["Z", "_", "a", "a-1", "a.1", "a_1", "aa", "b", "1"]
    await process.put(body, *names)
    assert await process.tags.list("app", "", 100) == sorted(names)
    found, after = [], ""
    while page := await process.tags.list("app", after, 2):
        found, after = found + page, page[-1]
    assert found == sorted(names)
    await process.push(b"only a blob", "blobs/only")
    for repository in ("b", "a/b", "a"):
        await pushed(process, repository=repository)
    assert await process.repositories.catalog("", 100) == ["a", "a/b", "app", "b"]
    assert await process.repositories.catalog("a", 2) == ["a/b", "app"]


@asynchronous
async def test_a_subject_may_be_missing_and_may_be_deleted(process):
    artifact = await pushed(process, b"signature", subject=descriptor(b"not there yet"))
    assert (await process.referrers.list("app", sha256(b"not there yet"), None, "", 3))[0][0]["digest"] == sha256(
        artifact
    )
    subject = await pushed(process, b"1")
    await pushed(process, b"its signature", subject=descriptor(subject))
    await process.manifests.delete("app", sha256(subject))
    assert (await process.check()).problems == []


@asynchronous
async def test_many_pushes_of_one_tag_at_once_leave_one_whole_manifest(world):
    workers = [world.process() for _ in range(3)]
    bodies = [await pushed(workers[0], b"%d" % number) for number in range(6)]
    outcomes = await gathered(*(workers[number % 3].put(body, "latest") for number, body in enumerate(bodies * 3)))
    assert set(outcomes) == set(map(sha256, bodies))
    assert (await workers[0].manifest("app", Reference("latest", None))).body in bodies
    assert await rows(workers[0]) == {
        "repositories": 1,
        "manifests": 6,
        "manifest_blobs": 12,
        "manifest_children": 0,
        "tags": 1,
    }


@asynchronous
async def test_a_repository_that_many_make_at_once_is_one(world):
    workers = [world.process() for _ in range(3)]
    outcomes = await gathered(*(workers[number % 3].push(b"%d" % number) for number in range(30)))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert await workers[0].count("SELECT COUNT(*) FROM repositories") == 1
    assert await workers[0].count("SELECT COUNT(*) FROM repository_blobs") == 30
