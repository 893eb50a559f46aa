"""Lists of tags: order, filters, pages in both directions, counts, and what is shown beside each tag."""

import pytest

from dockboard_registry.domain.access.rule import Principal
from dockboard_registry.domain.content.small_blobs import LIMIT
from dockboard_registry.domain.inspection import own_sizes
from dockboard_registry.domain.inspection.facts_filling import FactsFilling
from dockboard_registry.domain.inspection.inspector import Inspector
from dockboard_registry.domain.inspection.tag_details import TagLists
from dockboard_registry.domain.inspection.tag_list import TagQuery
from dockboard_registry.domain.repository_pages import RepositoryPages
from dockboard_registry.errors import FieldInvalid, NameUnknown
from tests.contract.aio import asynchronous
from tests.contract.domain.test_manifest_facts import config, multi_platform, pushed
from tests.contract.domain.world import image

PUSHED_AT = "UPDATE tags SET updated_at = ? WHERE name = ?"
# The numbers from 0 to 299,999, in words of SQLite and MySQL.
DIGITS = "(SELECT 0 AS n {})".format(" ".join(f"UNION ALL SELECT {digit}" for digit in range(1, 10)))
NUMBERS = (
    "SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n AS n FROM"
    f" {', '.join(f'{DIGITS} {name}' for name in 'abcde')}, (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2) f"
)
# Tags 1000000 to 1299999, each pushed a millisecond after the one before.
MANY = (
    "INSERT INTO tags (repository_id, name, digest, updated_at, sort_key) SELECT ?, CAST(1000000 + n AS CHAR), ?, n,"
    f" CAST(1000000 + n AS CHAR) FROM ({NUMBERS}) numbers"
)
PULLED_AT = "UPDATE tags SET pulled_at = ? WHERE name = ?"
CROWD = "INSERT INTO tags (repository_id, name, digest, updated_at, sort_key) VALUES (?, ?, ?, ?, ?)"


@pytest.fixture
def small():
    return LIMIT


async def tagged(process, *names: str, sizes: int = 10) -> None:
    """Each tag has an image of its own, a little larger than the one before, and was pushed a second later."""
    for at, name in enumerate(names):
        await pushed(process, config(), b"x" * (sizes * (at + 1)), tag=name)
        await process.db.write(lambda tx: tx.run(PUSHED_AT, 1_000_000 + at * 1000, name))  # noqa: B023
    await FactsFilling(process.db, process.storage).fill()


@asynchronous
async def test_lists_that_look_at_many_rows_are_long_scans(process):
    """Short scans have threads of their own, which no long one takes."""
    await tagged(process, "v1")

    class Scans:
        def __init__(self) -> None:
            self.long: list[bool] = []

        def scan(self, fn, long: bool = False):
            self.long.append(long)
            return process.db.scan(fn, long)

    db, asker = Scans(), Principal(1, "user", "root", True)
    for query in (TagQuery(), TagQuery(sort="own"), TagQuery(text="v")):
        await TagLists(db).page("app", query)
        await RepositoryPages(db, process.storage, Inspector(db, process.storage)).tags("app", asker, query)
    assert db.long == [False, False, True, True, True, True]


async def names(process, **query) -> list[str]:
    page = await TagLists(process.db).page("app", TagQuery(**query))
    return [tag.name for tag in page.tags]


async def walked(process, **query) -> list[str]:
    """All tags, page by page to the end and back."""
    lists, found, after = TagLists(process.db), [], ""
    while True:
        page = await lists.page("app", TagQuery(after=after, **query))
        found.append([tag.name for tag in page.tags])
        if page.after is None:
            break
        after = page.after
    back, before = [found[-1]], page.before
    while before is not None:
        page = await lists.page("app", TagQuery(before=before, **query))
        back.insert(0, [tag.name for tag in page.tags])
        before = page.before
    assert back == found
    return [name for each in found for name in each]


TAGS = ("1.10", "1.9", "latest", "v2.0", "2.1", "pr-3", "pr-20")


@pytest.mark.parametrize("limit", [2, 3, 100])
@asynchronous
async def test_every_order_is_walked_both_ways(process, limit):
    await tagged(process, *TAGS)
    assert await walked(process, limit=limit) == list(reversed(TAGS))
    assert await walked(process, limit=limit, descending=False) == list(TAGS)
    natural = ["1.9", "1.10", "v2.0", "2.1", "latest", "pr-3", "pr-20"]
    assert await walked(process, limit=limit, sort="name") == natural
    assert await walked(process, limit=limit, sort="name", descending=True) == natural[::-1]
    assert await walked(process, limit=limit, sort="size") == list(reversed(TAGS))
    assert await walked(process, limit=limit, sort="size", descending=False) == list(TAGS)
    assert await walked(process, limit=limit, sort="name", text="pr-*") == ["pr-3", "pr-20"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@asynchronous
async def test_the_order_of_the_last_pull_ends_with_what_was_never_pulled(process, limit):
    await tagged(process, *TAGS)
    pulled = {"2.1": 5000, "1.9": 9000, "latest": 5000}
    for name, at in pulled.items():
        await process.db.write(lambda tx: tx.run(PULLED_AT, at, name))  # noqa: B023
    never = ["v2.0", "pr-3", "pr-20", "1.10"]
    expected = ["1.9", "latest", "2.1", *never]
    assert await walked(process, limit=limit, sort="pulled") == expected
    assert await walked(process, limit=limit, sort="pulled", descending=False) == expected[::-1]
    assert await walked(process, limit=limit, sort="pulled", text="pr-*") == ["pr-3", "pr-20"]
    assert await walked(process, limit=limit, sort="pulled", text="*.*") == ["1.9", "2.1", "v2.0", "1.10"]
    assert (await names(process, sort="pulled", at="6000", limit=1)) == ["latest"]
    for key in ("x", "yesterday~1.9"):
        with pytest.raises(FieldInvalid):
            await names(process, sort="pulled", after=key)


@pytest.mark.parametrize("limit", [1, 2, 100])
@asynchronous
async def test_the_order_of_own_bytes(process, limit):
    base = b"base" * 1000
    for name, own in (("a", b"x" * 30), ("b", b"y" * 20), ("c", b"z" * 50)):
        await pushed(process, config(name), base, own, tag=name)
    await pushed(process, config("a"), base, b"x" * 30, tag="same-as-a")
    await FactsFilling(process.db, process.storage).fill()
    assert await walked(process, limit=limit, sort="own") == ["c", "same-as-a", "a", "b"]
    assert await walked(process, limit=limit, sort="own", descending=False) == ["b", "a", "same-as-a", "c"]
    assert await walked(process, limit=limit, sort="own", text="*a") == ["same-as-a", "a"]
    assert await names(process, sort="own", at="40") == ["same-as-a", "a", "b"]
    with pytest.raises(FieldInvalid):
        await names(process, sort="own", after="x")


@asynchronous
async def test_too_many_tags_are_not_sorted_by_own_bytes(process):
    await tagged(process, "first")
    (place, digest) = await process.db.read(lambda tx: tx.one("SELECT repository_id, digest FROM tags"))
    rows = [(place, f"t{at:04}", digest, at, f"t{at:04}") for at in range(own_sizes.MOST_TAGS)]
    await process.db.write(lambda tx: [tx.insert(CROWD, *row) for row in rows])
    with pytest.raises(FieldInvalid, match="2000 tags"):
        await names(process, sort="own")


@asynchronous
async def test_all_that_a_filter_finds(process):
    await tagged(process, "v1", "v2", "latest")
    lists = TagLists(process.db)
    assert list(await lists.found("app", TagQuery("v*"), 2)) == ["v1", "v2"]
    assert await lists.found("app", TagQuery("v*"), 1) is None
    assert await lists.found("app", TagQuery("x"), 1) == {}
    assert list(await lists.found("app", TagQuery(sort="size"), 3)) == ["latest", "v1", "v2"]


@asynchronous
async def test_filters(process):
    await tagged(process, "v1-RC1", "v1", "a_b", "axb")
    assert await names(process, text="rc") == ["v1-RC1"]
    assert await names(process, text="*1") == ["v1", "v1-RC1"]
    assert await names(process, text="a_b") == ["a_b"]
    assert await names(process, text="%") == []
    assert await names(process, platform="linux/amd64") == ["axb", "a_b", "v1", "v1-RC1"]
    assert await names(process, platform="linux/arm64") == []
    assert await names(process, kind="charts") == []
    assert len(await names(process, kind="images")) == 4
    page = await TagLists(process.db).page("app", TagQuery(text="v1"))
    assert (page.count, page.total, page.tools) == (2, 4, 0)


@asynchronous
async def test_a_list_begins_anywhere(process):
    await tagged(process, *TAGS)
    assert (await names(process, at="1003500"))[0] == "v2.0"
    assert (await names(process, sort="name", at="2"))[0] == "v2.0"
    assert (await names(process, sort="name", at="1.10"))[0] == "1.10"
    for key in ("x", "~", "9~", "1e3~a"):
        with pytest.raises(FieldInvalid):
            await names(process, after=key, sort="size")
    with pytest.raises(FieldInvalid):
        await names(process, after="yesterday~a")
    with pytest.raises(NameUnknown):
        await TagLists(process.db).page("nothing", TagQuery())


@asynchronous
async def test_tags_of_one_manifest_and_what_is_attached(process):
    whole, _, amd = await multi_platform(process, "v1")
    body = (await process.db.read(lambda tx: tx.one("SELECT body FROM manifests WHERE digest = ?", whole)))[0]
    await process.put(bytes(body), "latest")
    subject = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": whole, "size": len(body)}
    await process.push(b"config")
    await process.put(image(b"config", subject=subject, artifactType="application/spdx+json"))
    await process.put(image(b"config", note="signature"), f"sha256-{whole[7:]}.sig")
    await FactsFilling(process.db, process.storage).fill()
    pages = RepositoryPages(process.db, process.storage, Inspector(process.db, process.storage))
    about, page, details = await pages.tags("app", Principal(), TagQuery())
    assert about.name == "app"
    assert sorted(tag.name for tag in page.tags) == ["latest", "v1"] and page.tools == 1
    assert sorted(details.names[whole]) == ["latest", "v1"]
    assert details.attached[whole] == ["signature", "sbom"]
    layers = details.layers[amd]
    assert [(layer.size, layer.own) for layer in layers] == [(400, False), (5, True)]
    assert await names(process, kind="tools") == [f"sha256-{whole[7:]}.sig"]


@asynchronous
async def test_the_nearest_tags_of_one_that_is_missing(process):
    whole = await pushed(process, config(), b"layer", tag="v1")
    await pushed(process, config(), b"note", tag=f"sha256-{whole[7:]}.sig")
    for name in ("v2.8.1", "v2.8.2", "latest", "release-candidate-of-a-very-long-branch-name-1"):
        await pushed(process, config(), name.encode(), tag=name)
    near = TagLists(process.db).near
    assert await near("app", "v9") == ["v1"]
    assert set(await near("app", "v2.8.3")) == {"v2.8.1", "v2.8.2"}
    assert (await near("app", "2.8.1"))[0] == "v2.8.1"
    assert await near("app", "lates") == ["latest"]
    assert await near("app", "nothing-like-it") == []
    assert await near("app", "release-candidate-of-a-very-long-branch-name-2") == [
        "release-candidate-of-a-very-long-branch-name-1"
    ]
    assert await near("app", f"sha256-{whole[7:]}.att") == [] and await near("none", "v1") == []


@asynchronous
async def test_the_overview_shows_latest_or_the_tag_that_was_pushed_last(process):
    pages = RepositoryPages(process.db, process.storage, Inspector(process.db, process.storage))
    await tagged(process, "v1", "v2")
    found = await pages.overview("app", Principal())
    assert found.tag == "v2" and found.shown.tag.name == "v2" and found.shown.image.config is not None
    await tagged(process, "latest")
    assert (await pages.overview("app", Principal())).tag == "latest"
    assert (await pages.overview("app", Principal(), "v1")).shown.tag.name == "v1"
    missing = await pages.overview("app", Principal(), "v3")
    assert missing.tag == "v3" and missing.shown is None
    assert missing.about.name == "app" and missing.readme is None and missing.comments == []
    with pytest.raises(NameUnknown):
        await pages.overview("nothing", Principal())


@asynchronous
async def test_tags_that_nothing_is_known_of_yet_are_listed(process):
    digest = await pushed(process, config(), b"layer", tag="new")
    await process.db.write(lambda tx: tx.run("UPDATE tags SET sort_key = NULL"))
    assert await names(process, sort="name") == ["new"]
    page = await TagLists(process.db).page("app", TagQuery())
    assert page.tags[0].digest == digest and page.tags[0].facts.platforms == ("linux/amd64",)


@asynchronous
async def test_thousands_of_tags_of_one_manifest(process):
    await tagged(process, "first")
    (place, digest) = await process.db.read(lambda tx: tx.one("SELECT repository_id, digest FROM tags"))

    def crowd(tx):
        for at in range(3000):
            tx.insert(CROWD, place, f"t{at:04}", digest, 2_000_000 + at, f"t4{at:04}")

    await process.db.write(crowd)
    page = await TagLists(process.db).page("app", TagQuery(text="*77"))
    assert (page.count, page.total, page.tags[0].name) == (30, 3001, "t2977")
    assert await walked(process, text="t1*9", limit=30) == [f"t{at}" for at in range(1999, 999, -10)]
    assert (await names(process, sort="size", limit=3))[0] == "t2999"
    assert await walked(process, sort="size", text="t29*", limit=40) == [f"t{at}" for at in range(2999, 2899, -1)]


@asynchronous
async def test_a_page_looks_at_200_000_tags_and_counts_100_000(process):
    await tagged(process, "first")
    (place, digest) = await process.db.read(lambda tx: tx.one("SELECT repository_id, digest FROM tags"))
    await process.db.write(lambda tx: tx.run(MANY, place, digest))
    lists = TagLists(process.db)
    page = await lists.page("app", TagQuery(text="first", descending=False))
    assert (page.tags, page.complete, page.after) == ([], False, "199999~1199999")
    page = await lists.page("app", TagQuery(text="first", descending=False, after=page.after))
    assert ([tag.name for tag in page.tags], page.complete, page.after) == (["first"], True, None)
    page = await lists.page("app", TagQuery(text="first", sort="name"))
    assert (page.tags, page.complete) == ([], False)
    assert await names(process, text="first", sort="name", after=page.after) == ["first"]
    page = await lists.page("app", TagQuery(text="1"))
    assert (page.count, len(page.tags)) == (None, 25)
