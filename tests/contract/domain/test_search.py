"""The search: what was typed is understood, and nothing is found that somebody may not pull."""

import random
import time

import pytest

from dockboard_registry.domain.access import rule
from dockboard_registry.domain.access.rule import USER, Principal
from dockboard_registry.domain.explore import nearest, terms
from dockboard_registry.domain.explore.search import MOST, Search
from dockboard_registry.domain.explore.terms import Reference, Term, parse
from dockboard_registry.domain.inspection.facts_filling import FactsFilling
from dockboard_registry.errors import FieldInvalid
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR, image, sha256

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
ROOT, ANN, BOB = Principal(1, USER, "root", True), Principal(2, USER, "ann"), Principal(3, USER, "bob")
ANONYMOUS = rule.anonymous("pull", open=False)
FIRST, SECOND = image(b"config"), image(b"config", annotations={"a": "b"})


@pytest.mark.parametrize(
    ("typed", "term"),
    [
        ("", Term()),
        ("Shop", Term("shop")),
        ("a shop", Term("a shop")),
        ("acme/", Term("acme")),
        ("web", Term("web", whole=Reference("web"))),
        ("acme/web:1.0", Term("acme/web", tag="1.0", whole=Reference("acme/web", "1.0"))),
        (f"web@{DIGEST}", Term("web", digest=DIGEST, whole=Reference("web", "", DIGEST))),
        (f"web:1@{DIGEST}", Term("web", tag="1", digest=DIGEST, whole=Reference("web", "1", DIGEST))),
        ("registry.example.com/acme/web:1", Term("acme/web", tag="1", whole=Reference("acme/web", "1"))),
        ("localhost:5000/web", Term("web", whole=Reference("web"))),
        ("https://registry.example.com/r/acme/web", Term("acme/web", whole=Reference("acme/web"))),
        ("oci://registry.example.com/charts/web", Term("charts/web", whole=Reference("charts/web"))),
        ("docker pull --quiet registry.example.com/web:1", Term("web", tag="1", whole=Reference("web", "1"))),
        ("image: acme/web:1", Term("acme/web", tag="1", whole=Reference("acme/web", "1"))),
        (DIGEST, Term(digest=DIGEST)),
        (DIGEST[:19], Term(digest=DIGEST[:19])),
        (DIGEST[7:19], Term(DIGEST[7:19], digest=DIGEST[:19])),
        (DIGEST[7:18], Term(DIGEST[7:18], whole=Reference(DIGEST[7:18]))),
        ("sha512:0123456789ab", Term(digest="sha512:0123456789ab")),
        ("in:acme kind:chart", Term(namespace="acme", kind="chart")),
        ("web platform:linux/arm64 tag:2.*", Term("web", "", "", "linux/arm64", "2.*", whole=Reference("web"))),
        ("web:" + "1" * 600, Term("web:" + "1" * 508)),
    ],
)
def test_what_was_typed_is_understood(typed, term):
    assert parse(typed) == term


@pytest.mark.parametrize(("typed", "part"), [("in:", "in:"), ("web kind:nonsense", "nonsense"), ("tag: x", "tag:")])
def test_a_part_that_is_not_understood_is_named(typed, part):
    with pytest.raises(FieldInvalid) as refused:
        parse(typed)
    assert part in refused.value.cause


async def filled(process, **repositories: dict[str, bytes]) -> None:
    """Repositories with tags."""
    for name, tags in repositories.items():
        await process.push(b"config", name)
        for tag, body in tags.items():
            await process.put(body, tag, repository=name)
    await FactsFilling(process.db, process.storage).fill()
    await process.repository_facts.finish()


async def found(process, principal: Principal, typed: str):
    results = await Search(process.db).find(principal, terms.parse(typed))
    return (
        [item.name for item in results.repositories],
        [f"{item.repository}:{item.name}" for item in results.tags],
        [(item.repository, item.tags) for item in results.digests],
        [item.name for item in results.namespaces],
    )


async def small(process) -> None:
    """Bob's repositories are private but for one; nobody owns the others."""
    await process.people("ann", "bob")
    repositories = {
        "bob/web": {"1.0": FIRST, "1.1": SECOND},
        "bob/secret-web": {"1.0": FIRST},
        "other/web": {"1": FIRST},
    }
    await filled(process, **repositories, **{"web": {"latest": SECOND}, "webcam/x": {}, "x/my-web": {}})
    await process.repository_settings.set_visibility(OPERATOR, "bob/web", "public")


@asynchronous
async def test_names_are_ranked(process):
    await small(process)
    names, _, _, _ = await found(process, ROOT, "web")
    assert names[0] == "web" and set(names[1:3]) == {"bob/web", "other/web"}
    assert names[3] == "webcam/x" and set(names[4:]) == {"bob/secret-web", "x/my-web"}


@asynchronous
async def test_everything_of_what_is_hidden_is_hidden(process):
    await small(process)
    for principal, secret in ((ANONYMOUS, False), (ANN, False), (BOB, True), (ROOT, True)):
        for typed in (
            "secret",
            "1.0",
            sha256(FIRST),
            sha256(FIRST)[7:30],
            "bob",
            "in:bob web",
            "tag:1.*",
            "secret-wbe",
        ):
            results = await Search(process.db).find(principal, terms.parse(typed))
            assert secret or "secret" not in str(results), (principal, typed)
        assert bool((await found(process, principal, "secret-web"))[0]) is secret
        assert await Search(process.db).sees(principal, Reference("bob/secret-web")) is secret
        assert not await Search(process.db).sees(principal, Reference("bob/none"))


@asynchronous
async def test_tags_digests_and_namespaces_are_found(process):
    await small(process)
    assert set((await found(process, BOB, "1.0"))[1]) == {"bob/secret-web:1.0", "bob/web:1.0"}
    assert (await found(process, ANN, "1.0"))[1] == ["bob/web:1.0"]
    assert (await found(process, ANN, "bob/web:1"))[:2] == (["bob/web"], ["bob/web:1.1", "bob/web:1.0"])
    assert (await found(process, ANN, "tag:*.1"))[1] == ["bob/web:1.1"]
    digests = dict((await found(process, BOB, sha256(FIRST)[:30]))[2])
    assert digests == {"bob/secret-web": ["1.0"], "bob/web": ["1.0"], "other/web": ["1"]}
    assert {name for name, _ in (await found(process, ANN, sha256(FIRST)))[2]} == {"bob/web", "other/web"}
    assert (await found(process, ANN, "in:bob web"))[0] == ["bob/web"]
    assert (await found(process, ANN, "kind:image web"))[0] and not (await found(process, ANN, "kind:chart web"))[0]
    assert (await found(process, ANONYMOUS, "bo"))[3] == ["bob"]
    assert (await found(process, ANN, "an"))[3] == ["ann"] and (await found(process, ANONYMOUS, "an"))[3] == []
    assert (await found(process, ROOT, "an"))[3] == ["ann"]


@asynchronous
async def test_few_of_each_are_shown_and_that_there_are_more_is_said(process):
    await filled(process, **{f"app-{number}": {"v1": FIRST} for number in range(MOST + 2)})
    for typed, group in (("app", "repositories"), ("v1", "tags"), (sha256(FIRST), "digests")):
        results = await Search(process.db).find(ROOT, terms.parse(typed))
        assert len(getattr(results, group)) == MOST and results.more == {group}


@asynchronous
async def test_tags_are_looked_for_in_a_hundred_repositories(process):
    await filled(process, **{f"app-{number:03}": {"v1": FIRST} for number in range(101)})
    everywhere = "UPDATE repository_facts SET pushed_at = repository_id"
    await process.db.write(lambda tx: tx.run(everywhere))
    assert (await found(process, ROOT, "in:library tag:v1"))[1] != []
    oldest = await process.db.read(lambda tx: tx.one("SELECT name FROM repository_facts ORDER BY pushed_at LIMIT 1"))
    only = "UPDATE tags SET name = 'rare' WHERE repository_id = (SELECT id FROM repositories WHERE name = ?)"
    await process.db.write(lambda tx: tx.run(only, *oldest))
    assert (await found(process, ROOT, "tag:rare"))[1] == []
    newest = "UPDATE repository_facts SET pushed_at = ? WHERE name = ?"
    await process.db.write(lambda tx: tx.run(newest, 1 << 62, *oldest))
    assert (await found(process, ROOT, "tag:rare"))[1] == [f"{oldest[0]}:rare"]


@asynchronous
async def test_where_nothing_fits_the_nearest_names_are_told(process):
    await small(process)
    results = await Search(process.db).find(ANN, terms.parse("bob/wed"))
    assert results.is_empty and results.nearest[0] == "bob/web"
    nobody = await Search(process.db).find(rule.anonymous("none", open=False), terms.parse("web"))
    assert nobody.is_empty and nobody.nearest == []


@asynchronous
async def test_nothing_is_suggested_for_a_long_text(process):
    name = "a" * (nearest.LONGEST - 2)
    await filled(process, **{name: {}})
    for typed, suggested in ((name + "bb", [name]), (name + "bbb", [])):
        assert (await Search(process.db).find(ROOT, terms.parse(typed))).nearest == suggested


def test_names_much_longer_than_the_text_are_not_compared():
    assert nearest.compared_with("wed", ["acme/web", "webs", "website", "web"]) == ["webs", "web"]
    assert nearest.names("wed", ["acme/web", "acme/website"]) == ["acme/web"]


def test_so_many_names_are_compared_and_no_more():
    assert len(nearest.compared_with("a" * 40, ["b" * 50] * 200)) == 100
    assert len(nearest.compared_with("a" * 10, ["b" * 10] * 200)) == 200


def test_suggesting_takes_little_time():
    """Names of 190 characters that repeat two took 3 s and more."""
    random_ = random.Random(3)
    for length in (40, 58, 190):
        known = ["".join(random_.choice("aaab") for _ in range(length)) for _ in range(100)]
        begun = time.process_time()
        nearest.names("a" * nearest.LONGEST, known)
        assert time.process_time() - begun < 1


@asynchronous
async def test_what_fits_is_counted_where_that_is_no_work(process):
    await process.people("ann", "bob")
    names = [f"ann/app-{number:02}" for number in range(MOST + 2)] + ["bob/app"]
    await filled(process, **{name: {"v1": FIRST} for name in names})
    search = Search(process.db)
    for principal, total in ((ROOT, MOST + 3), (ANN, MOST + 2), (BOB, 1)):
        found = await search.find(principal, terms.parse("app"))
        assert found.total == total and ("repositories" in found.more) is (total > MOST)
    assert (await search.find(ROOT, terms.parse("in:bob app"))).total == 1
    assert (await search.find(ROOT, terms.parse(DIGEST))).total is None
    await filled(process, **{f"ann/more-app-{number:03}": {} for number in range(200)})
    assert (await search.find(ROOT, terms.parse("app"))).total is None
