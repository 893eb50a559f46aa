"""Stars, comments, READMEs, categories and deprecation notices."""

import pytest

from dockboard_registry.domain.access.rule import Principal
from dockboard_registry.domain.social import categories, comments, deprecation, stars
from dockboard_registry.domain.social.deprecation import Deprecation
from dockboard_registry.domain.social.details import Details, details
from dockboard_registry.errors import (
    AccountUnknown,
    ChangeRefused,
    Denied,
    FieldInvalid,
    NameInvalid,
    NameUnknown,
    TooManyRequests,
)
from tests.contract.aio import asynchronous
from tests.contract.domain.test_accounts import ME
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import image

TABLES = ("stars", "comments", "readmes", "repository_categories")


async def pushed(process, *names: str) -> None:
    for name in names:
        for data in (b"config", b"layer"):
            await process.push(data, name)
        await process.put(image(b"config", b"layer"), "v1", repository=name)


async def principal(process, name: str) -> Principal:
    found = await process.accounts.get(name)
    return await process.principals.get("user", found.id, await process.principals.access_version())


async def shown(process, name: str, asker: Principal = Principal()) -> Details:
    return await details(process.db, name, asker)


async def count(process, table: str) -> int:
    return await process.count(f"SELECT COUNT(*) FROM {table}")


async def starred(process, who: Principal, after: str = "", limit: int = 100) -> list[str]:
    return [found.name for found in await process.stars.list(who, after, limit)]


@asynchronous
async def test_a_user_stars_a_repository_once(process):
    await process.people("bob", "ann")
    await pushed(process, "bob/app", "bob/tool")
    bob, ann = await principal(process, "bob"), await principal(process, "ann")
    for who in (bob, bob, ann):
        await process.stars.add(ME, who.id, "bob/app")
    await process.stars.add(ME, bob.id, "bob/tool")
    assert (await shown(process, "bob/app", bob))[1:] == (2, 0, [], Deprecation(), True)
    assert await starred(process, bob) == ["bob/app", "bob/tool"]
    assert await starred(process, bob, "bob/app", 1) == ["bob/tool"]
    await process.stars.remove(ME, bob.id, "bob/app")
    await process.stars.remove(ME, bob.id, "bob/app")
    assert (await shown(process, "bob/app", bob)).stars == 1
    assert not (await shown(process, "bob/app", bob)).starred and (await shown(process, "bob/app", ann)).starred
    with pytest.raises(NameUnknown):
        await process.stars.add(ME, bob.id, "bob/none")


@asynchronous
async def test_a_star_is_hidden_while_its_repository_may_not_be_pulled(process):
    await process.people("bob", "ann")
    await pushed(process, "bob/app")
    ann = await principal(process, "ann")
    await process.repository_settings.set_visibility(ME, "bob/app", "public")
    await process.stars.add(ME, ann.id, "bob/app")
    await process.repository_settings.set_visibility(ME, "bob/app", "private")
    assert await starred(process, ann) == []
    await process.repository_settings.set_visibility(ME, "bob/app", "public")
    assert await starred(process, ann) == ["bob/app"]


@asynchronous
async def test_stars_on_what_may_not_be_pulled_any_more_are_taken_away(process):
    await process.people("bob", "ann")
    await pushed(process, "bob/app", "bob/tool")
    ann = await principal(process, "ann")
    for name in ("bob/app", "bob/tool"):
        await process.repository_settings.set_visibility(ME, name, "public")
        await process.stars.add(ME, ann.id, name)
    await process.repository_settings.set_visibility(ME, "bob/app", "private")
    for _ in range(2):
        await process.stars.remove_hidden(ME, ann)
    assert [(await shown(process, name, ann)).stars for name in ("bob/app", "bob/tool")] == [0, 1]
    await process.repository_settings.set_visibility(ME, "bob/app", "public")
    assert await starred(process, ann) == ["bob/tool"]


@asynchronous
async def test_stars_of_an_account_go_with_it_and_comments_lose_their_name(process):
    await process.people("bob", "ann")
    await pushed(process, "bob/app")
    ann = await principal(process, "ann")
    await process.stars.add(ME, ann.id, "bob/app")
    await process.comments.add(ME, ann.id, "bob/app", "works")
    await process.accounts.delete(ME, "ann")
    assert (await shown(process, "bob/app"))[1:3] == (0, 1)
    assert [(found.author, found.text) for found in await process.comments.list("bob/app")] == [(None, "works")]


@asynchronous
async def test_a_user_has_a_thousand_stars_at_most(process):
    await process.people("bob")
    await pushed(process, "bob/app", "bob/tool")
    bob = await principal(process, "bob")
    insert = "INSERT INTO stars (user_id, repository_id, created_at) VALUES (?, ?, 1)"
    await process.db.write(lambda tx: [tx.run(insert, bob.id, number) for number in range(stars.MOST - 1)])
    await process.stars.add(ME, bob.id, "bob/app")
    with pytest.raises(ChangeRefused, match="at most 1000"):
        await process.stars.add(ME, bob.id, "bob/tool")
    assert (await shown(process, "bob/tool")).stars == 0
    await process.stars.add(ME, bob.id, "bob/app")


@asynchronous
async def test_stars_at_the_same_moment_are_all_counted(process, other):
    await process.people("bob", "ann")
    await pushed(process, "bob/app")
    bob, ann = await principal(process, "bob"), await principal(process, "ann")
    await overlapping(
        process.db,
        lambda db: type(process.stars)(db).add(ME, bob.id, "bob/app"),
        lambda: other.stars.add(ME, ann.id, "bob/app"),
    )
    assert (await shown(process, "bob/app")).stars == await count(process, "stars") == 2


@asynchronous
async def test_comments_are_written_edited_and_removed(process):
    await process.people("bob", "ann")
    await pushed(process, "bob/app")
    bob, ann = (await process.accounts.get("bob")).id, (await process.accounts.get("ann")).id
    first = await process.comments.add(ME, ann, "bob/app", " 你好\r\nworks \n")
    second = await process.comments.add(ME, bob, "bob/app", "thanks")
    assert (first.author, first.text, first.edited_at) == ("ann", "你好\nworks", None) and second.id != first.id
    older, newer = sorted((first, second), key=lambda comment: comment.id)
    assert await process.comments.list("bob/app") == [newer, older]
    assert await process.comments.list("bob/app", newer.id) == [older]
    assert await process.comments.list("bob/app", limit=1) == [newer]
    with pytest.raises(Denied):
        await process.comments.edit(ME, bob, "bob/app", first.id, "no")
    edited = await process.comments.edit(ME, ann, "bob/app", first.id, "works well")
    assert edited.text == "works well" and edited.edited_at >= edited.created_at == first.created_at
    with pytest.raises(Denied):
        await process.comments.remove(ME, "bob/app", second.id, ann)
    await process.comments.remove(ME, "bob/app", first.id, ann)
    assert await process.audit.list(action="comment.remove") == []
    await process.comments.remove(ME, "bob/app", second.id, None)
    (noted,) = await process.audit.list(action="comment.remove")
    assert noted.detail == {"author": "bob", "at": second.created_at}
    for id in (first.id, 1):
        with pytest.raises(AccountUnknown):
            await process.comments.remove(ME, "bob/app", id, None)
        with pytest.raises(AccountUnknown):
            await process.comments.edit(ME, ann, "bob/app", id, "x")
    assert (await shown(process, "bob/app")).comments == 0


@asynchronous
async def test_a_comment_of_another_repository_is_not_found(process):
    await process.people("bob")
    await pushed(process, "bob/app", "bob/tool")
    bob = (await process.accounts.get("bob")).id
    made = await process.comments.add(ME, bob, "bob/app", "works")
    with pytest.raises(AccountUnknown):
        await process.comments.edit(ME, bob, "bob/tool", made.id, "x")
    with pytest.raises(AccountUnknown):
        await process.comments.remove(ME, "bob/tool", made.id, None)
    assert await process.comments.list("bob/app") == [made]


@asynchronous
async def test_comments_are_short(process):
    await process.people("bob")
    await pushed(process, "bob/app")
    bob = (await process.accounts.get("bob")).id
    for text in ("", " \r\n", "x" * 4097, "字" * 1366, "a\0b"):
        with pytest.raises(FieldInvalid, match="4096"):
            await process.comments.add(ME, bob, "bob/app", text)
    for text in ("x" * 4096, "字" * 1365, "\U0001f4a9"):
        assert (await process.comments.add(ME, bob, "bob/app", text)).text == text


@asynchronous
async def test_a_user_writes_ten_comments_in_ten_minutes(process):
    await process.people("bob", "ann")
    await pushed(process, "bob/app", "bob/tool")
    bob = (await process.accounts.get("bob")).id
    for number in range(comments.AT_ONCE):
        await process.comments.add(ME, bob, ("bob/app", "bob/tool")[number % 2], f"{number}")
    with pytest.raises(TooManyRequests) as refused:
        await process.comments.add(ME, bob, "bob/app", "more")
    assert 590 <= int(refused.value.headers["Retry-After"]) <= 600
    await process.comments.add(ME, (await process.accounts.get("ann")).id, "bob/app", "hello")
    past = "UPDATE comments SET created_at = created_at - ?"
    await process.db.write(lambda tx: tx.run(past, comments.WINDOW * 1000))
    await process.comments.add(ME, bob, "bob/app", "more")
    assert (await shown(process, "bob/app")).comments == 7


@asynchronous
async def test_a_repository_has_a_thousand_comments_at_most(process):
    await process.people("bob")
    await pushed(process, "bob/app")
    bob = (await process.accounts.get("bob")).id
    await process.db.write(lambda tx: tx.run("UPDATE repositories SET comments = ?", comments.MOST - 1))
    made = await process.comments.add(ME, bob, "bob/app", "the last one")
    with pytest.raises(ChangeRefused, match="at most 1000"):
        await process.comments.add(ME, bob, "bob/app", "one more")
    await process.comments.remove(ME, "bob/app", made.id, bob)
    await process.comments.add(ME, bob, "bob/app", "one more")


@asynchronous
async def test_a_readme_is_written_and_removed(process):
    await process.people("bob")
    await pushed(process, "bob/app")
    assert await process.readmes.get("bob/app") is None
    await process.readmes.set(ME, "bob/app", "")
    for text in ("# App\r\n", "# App\n", "# 应用\n"):
        await process.readmes.set(ME, "bob/app", text)
    assert (await process.readmes.get("bob/app")).text == "# 应用\n"
    await process.readmes.set(ME, "bob/app", " \n")
    assert await process.readmes.get("bob/app") is None
    noted = [event.detail for event in await process.audit.list(action="repository.readme")]
    assert noted == [{"bytes": 0}, {"bytes": 9}, {"bytes": 6}]
    for name in ("bob/none", "bob"):
        with pytest.raises(NameUnknown):
            await process.readmes.set(ME, name, "x")
    with pytest.raises(NameUnknown):
        await process.readmes.get("bob/none")


@asynchronous
async def test_a_readme_has_512_kib_at_most(process):
    await process.people("bob")
    await pushed(process, "bob/app")
    longest = "\U0001f4a9" * (128 << 10)
    await process.readmes.set(ME, "bob/app", longest)
    assert (await process.readmes.get("bob/app")).text == longest
    for text in (longest + "x", "a\0"):
        with pytest.raises(FieldInvalid, match="524288"):
            await process.readmes.set(ME, "bob/app", text)


@asynchronous
async def test_categories_and_deprecation(process):
    await process.people("bob")
    await pushed(process, "bob/app")
    settings = process.repository_settings
    await settings.set(ME, "bob/app", names=["web", "databases", "web"], notice=Deprecation("old", "bob/new"))
    await settings.set(ME, "bob/app", names=["databases", "web"], notice=Deprecation("old", "bob/new"))
    found = await shown(process, "bob/app")
    assert found.categories == ["databases", "web"] and found.deprecation == ("old", "bob/new")
    await settings.set(ME, "bob/app", names=["web", "tools-2"])
    assert (await shown(process, "bob/app")).categories == ["tools-2", "web"]
    await settings.set(ME, "bob/app", names=[], notice=Deprecation())
    assert (await shown(process, "bob/app"))[1:] == (0, 0, [], Deprecation(), False)
    noted = [(event.action, event.detail) for event in reversed(await process.audit.list(object="repository bob/app"))]
    assert [entry for entry in noted if entry[0] in ("repository.categories", "repository.deprecation")] == [
        ("repository.categories", {"categories": ["databases", "web"]}),
        ("repository.deprecation", {"text": "old", "replacement": "bob/new"}),
        ("repository.categories", {"categories": ["tools-2", "web"]}),
        ("repository.categories", {"categories": []}),
        ("repository.deprecation", {"text": "", "replacement": None}),
    ]
    for names in (["Web"], ["a b"], ["-a"], [""], ["a" * 33], list("abcdef")):
        with pytest.raises(FieldInvalid):
            await settings.set(ME, "bob/app", names=names)
    with pytest.raises(NameUnknown):
        await settings.set(ME, "bob/none", names=["web"])


def test_a_notice_has_a_text():
    assert deprecation.checked(" use\n the new one ", "acme/new") == ("use the new one", "acme/new")
    assert deprecation.checked("", None) == Deprecation()
    with pytest.raises(FieldInvalid, match="no text"):
        deprecation.checked("", "acme/new")
    with pytest.raises(FieldInvalid, match="1001 characters"):
        deprecation.checked("x" * 1001)
    with pytest.raises(NameInvalid):
        deprecation.checked("old", "Acme")
    assert categories.checked([]) == []


@asynchronous
async def test_all_goes_with_the_repository(process):
    await process.people("bob", "ann")
    await pushed(process, "bob/app", "bob/tool")
    bob, ann = await principal(process, "bob"), await principal(process, "ann")
    for name in ("bob/app", "bob/tool"):
        for who in (bob, ann):
            await process.stars.add(ME, who.id, name)
            await process.comments.add(ME, who.id, name, "hello")
        await process.readmes.set(ME, name, "# App")
        await process.repository_settings.set(ME, name, names=["web", "tools"], notice=Deprecation("old"))
    await process.deletion.delete(ME, "bob/app")
    assert await starred(process, bob) == ["bob/tool"]
    await process.deletion.purge()
    assert [await count(process, table) for table in TABLES] == [2, 2, 1, 2]
    await pushed(process, "bob/app")
    assert (await shown(process, "bob/app"))[1:] == (0, 0, [], Deprecation(), False)
    assert await process.readmes.get("bob/app") is None and await process.comments.list("bob/app") == []
