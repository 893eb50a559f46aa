"""Stars, comments, README and settings of repositories on the pages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dockboard_registry.domain.social.comments import AT_ONCE
from tests.security.harmless import harm
from tests.support.people import PASSWORD, People
from tests.support.server import Registry
from tests.support.visitor import Page, Visitor
from tests.unit.markdown_corpus import HOSTILE


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """bob owns acme; dan and eve are nobody. Everybody may pull acme/app."""
    with Registry(tmp_path_factory.mktemp("added") / "data", 1, auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "dan", "eve")
        for words in ("user promote ann", "org add acme --owner bob"):
            people.command(*words.split())
        with people.as_user("bob") as client:
            for name in ("acme/app", "acme/hidden", "acme/gone"):
                client.push_image(name, "v1")
        people.command("repository", "set", "acme/app", "--public")
        yield registry


@pytest.fixture
def bob(registry):
    with Visitor(registry.address) as visitor:
        yield visitor.sign_in("bob")


@pytest.fixture
def dan(registry):
    with Visitor(registry.address) as visitor:
        yield visitor.sign_in("dan")


@pytest.fixture
def nobody(registry):
    with Visitor(registry.address) as visitor:
        yield visitor


def test_a_star_and_the_list_of_stars(dan, nobody):
    assert "No stars yet" in dan.open("/account/stars").expect(200).text
    page = dan.open("/r/acme/app").expect(200)
    assert ("do", "add") in page.form(action="/-/star").fields
    page = dan.submit(page, action="/-/star").expect(200)
    assert page.response.path == "/r/acme/app" and 'aria-pressed="true"' in page.html
    assert ("do", "remove") in page.form(action="/-/star").fields
    page = dan.open("/account/stars").expect(200)
    assert "/r/acme/app" in page.links
    assert "1 star" in nobody.open("/r/acme/app").text
    page = dan.submit(page, action="/-/star").expect(200)
    assert page.response.path == "/account/stars" and "No stars yet" in page.text
    assert nobody.open("/account/stars", follow=False).location == "/login?next=%2Faccount%2Fstars"


def test_a_star_on_what_is_hidden_now_can_be_taken_away(registry, dan):
    people = People(registry)
    people.command("repository", "set", "acme/gone", "--public")
    dan.submit(dan.open("/r/acme/gone"), action="/-/star").expect(200)
    people.command("repository", "set", "acme/gone", "--private")
    page = dan.open("/account/stars").expect(200)
    assert "acme/gone" not in page.html and "count towards your 1,000 stars" in page.text
    page = dan.submit(page, action="/account/stars").expect(200)
    assert "You have no stars on repositories that you may not pull." in page.text
    people.command("repository", "set", "acme/gone", "--public")
    assert "No stars yet" in dan.open("/account/stars").text
    people.command("repository", "set", "acme/gone", "--private")


def test_who_is_not_signed_in_has_no_forms(nobody):
    page = nobody.open("/r/acme/app").expect(200)
    assert not any(form.action.endswith(("/star", "/comments")) for form in page.forms)
    page = nobody.open("/r/acme/app/-/comments").expect(200)
    assert "/login?next=%2Fr%2Facme%2Fapp%2F-%2Fcomments" in page.links
    assert not any(form.action.endswith("/comments") for form in page.forms)
    token = dict(page.form(action="/preferences").fields)["_csrf"]
    for path, fields in (
        ("star", {}),
        ("comments", {"do": "add", "text": "x"}),
        ("comments", {"do": "remove", "id": "1"}),
    ):
        nobody.send("POST", f"/r/acme/app/-/{path}", {"_csrf": token, **fields}).expect(401, 404)
    for path in ("readme", "settings"):
        nobody.open(f"/r/acme/app/-/{path}", follow=False).expect(401, 404)


def test_comments_are_written_edited_and_removed(bob, dan, nobody):
    page = dan.open("/r/acme/app/-/comments").expect(200)
    page = dan.submit(page, field="text", text="works <b>well</b>\r\n\r\nsecond line").expect(200)
    assert "The comment is added." in page.text and "works &lt;b&gt;well&lt;/b&gt;" in page.html
    assert "dan" in nobody.open("/r/acme/app").text and "second line" in nobody.open("/r/acme/app/-/comments").text
    (edit,) = [link for link in page.links if "edit=" in link]
    page = dan.submit(dan.open(edit).expect(200), field="text", text="works").expect(200)
    assert "The comment is changed." in page.text and "edited" in page.text and "second line" not in page.text
    page = dan.open(edit)
    page = dan.submit(page, field="text", text=" ").expect(422)
    assert 'aria-invalid="true"' in page.html and dict(page.form(field="text").fields)["do"] == "edit"
    (remove,) = [link for link in bob.open("/r/acme/app/-/comments").links if "edit=" in link]
    page = bob.open(remove).expect(200)
    assert "text" not in page.form(action="/comments").names
    page = bob.submit(page, action="/comments").expect(200)
    assert "The comment is removed." in page.text and "No comments yet" in page.text


def test_a_wrong_comment_keeps_what_was_typed(dan):
    page = dan.open("/r/acme/app/-/comments").expect(200)
    page = dan.submit(page, field="text", text="字" * 2000).expect(422)
    assert dict(page.form(field="text").fields)["text"] == "字" * 2000 and "4096" in page.text
    dan.open("/r/acme/app/-/comments?edit=1").expect(404)
    dan.open("/r/acme/app/-/comments?edit=x").expect(404)
    dan.open("/r/acme/app/-/comments?before=x").expect(404)


@pytest.mark.parametrize("id", ["x", "", "9" * 30, "17"])
def test_a_refused_comment_comes_back_whatever_comment_the_form_names(dan, id):
    """The text is wrong too, so that the form is refused before the comment is looked for."""
    page = dan.open("/r/acme/app/-/comments").expect(200)
    again = dan.submit(page, field="text", do="edit", id=id, text=" ").expect(422)
    assert "Nothing was saved" in again.text and "acme/app" in again.text
    assert ("do", "add") in again.form(field="text").fields


def test_comments_are_paged(registry, dan, bob):
    """bob may not write more than ten in ten minutes; dan writes as many."""
    for visitor, number in [(bob, n) for n in range(AT_ONCE)] + [(dan, n) for n in range(AT_ONCE - 2)]:
        page = visitor.open("/r/acme/app/-/comments")
        page = visitor.submit(page, field="text", text=f"comment {number}").expect(200)
    with Visitor(registry.address) as visitor:
        eve = visitor.sign_in("eve")
        for number in range(AT_ONCE):
            eve.submit(eve.open("/r/acme/app/-/comments"), field="text", text=f"more {number}").expect(200)
        eve.submit(eve.open("/r/acme/app/-/comments"), field="text", text="too many").expect(429)
        first = eve.open("/r/acme/app/-/comments").expect(200)
        (older,) = {link for link in first.links if "before=" in link}
        second = eve.open(older).expect(200)
        assert "comment 0" in second.text and "more 9" in first.text and "more 9" not in second.text
        assert f"All {3 * AT_ONCE - 2} comments" in eve.open("/r/acme/app").text


def test_a_readme_is_previewed_saved_and_shown(bob, dan, nobody):
    page = bob.open("/r/acme/app").expect(200)
    assert "/r/acme/app/-/readme" in page.links and "No README yet" in page.text
    page = bob.open("/r/acme/app/-/readme").expect(200)
    text = "# Über <b>App</b>\n\n*Run* it: [docs](https://a.example/x) ![x](https://evil.example/x.png)\n\n- 一\n- 二\n"
    shown = bob.submit(page, field="text", text=text, do="preview", follow=False).expect(200)
    assert "<em>Run</em>" in shown.html and dict(shown.form(field="text").fields)["text"] == text
    assert "No README yet" in nobody.open("/r/acme/app").text
    page = bob.submit(shown, field="text", do="save").expect(200)
    assert page.response.path == "/r/acme/app" and "The README is saved." in page.text
    html = nobody.open("/r/acme/app").expect(200).html
    assert '<h2 id="readme-über-bappb">Über &lt;b&gt;App&lt;/b&gt;</h2>' in html and "<li>二</li>" in html
    assert 'rel="noopener noreferrer nofollow">picture: x</a>' in html and "<img" not in html
    chinese = nobody.open("/r/acme/app", {"Accept-Language": "zh"}).html
    assert "图片：x</a>" in chinese
    dan.open("/r/acme/app/-/readme").expect(403)
    dan.open("/r/acme/hidden/-/readme").expect(404)
    page = bob.open("/r/acme/app/-/readme")
    bob.submit(page, field="text", text="", do="save").expect(200)
    assert "No README yet" in nobody.open("/r/acme/app").text


def test_many_previews_at_once_are_refused_in_words(registry, bob):
    """One is made; the others are told what to do."""
    page = bob.open("/r/acme/app/-/readme")
    table = "|".join("a" * 50) + "\n" + "|".join("-" * 50) + "\n" + ("|".join("*a*" * 25) + "\n") * 2500

    def preview(_: int) -> Page:
        with Visitor(registry.address) as visitor:
            visitor.cookies.update(bob.cookies)
            return visitor.submit(page, field="text", text=table, do="preview", follow=False)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(preview, range(8)))
    assert {answer.status for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status == 429)
    assert "another preview of yours is being made" in refused.text.lower()
    assert refused.response.headers["Retry-After"] == "2"
    bob.submit(page, field="text", text=table, do="preview", follow=False).expect(200)


def test_a_readme_of_512_kib_is_taken_and_a_longer_one_comes_back(bob):
    page = bob.open("/r/acme/app/-/readme")
    longest = "字" * 174_762 + "ab"
    page = bob.submit(page, field="text", text=longest, do="save").expect(200)
    assert longest[:-2] in page.html
    page = bob.open("/r/acme/app/-/readme")
    page = bob.submit(page, field="text", text=longest + "c", do="save", follow=False).expect(422)
    assert "524288" in page.text and longest + "c" in page.text
    many = "- a\n" * 100_000
    page = bob.submit(bob.open("/r/acme/app/-/readme"), field="text", text=many, do="save").expect(200)
    assert "This text is too long to be formatted" in page.text
    bob.submit(bob.open("/r/acme/app/-/readme"), field="text", text="", do="save").expect(200)


def test_hostile_texts_do_nothing(bob, nobody):
    text = "\n\n".join(payload for payload in HOSTILE if "\ud800" not in payload and "\x00" not in payload)
    page = bob.submit(bob.open("/r/acme/app/-/readme"), field="text", text=text, do="preview", follow=False)
    assert harm(page.expect(200).html) == []
    bob.submit(page, field="text", do="save").expect(200)
    page = bob.open("/r/acme/app/-/settings").expect(200)
    page = bob.submit(page, field="notice", description=text[:3000], notice=text[:900], follow=False).expect(303)
    for path in ("", "/-/comments"):
        assert harm(nobody.open(f"/r/acme/app{path}").expect(200).html) == []
    assert harm(bob.open("/r/acme/app/-/settings").expect(200).html) == []
    bob.submit(bob.open("/r/acme/app/-/settings"), field="notice", description="", notice="").expect(200)


def test_settings_describe_the_repository(bob, dan, nobody):
    page = bob.open("/r/acme/app/-/settings").expect(200)
    typed = {"description": "Pages of the shop\nmore", "categories": "web, databases", "notice": "Old.",
             "replacement": "acme/app-2"}  # fmt: skip
    page = bob.submit(page, field="categories", **typed).expect(200)
    assert "Saved." in page.text and dict(page.form(field="categories").fields)["categories"] == "databases web"
    page = nobody.open("/r/acme/app").expect(200)
    assert "Pages of the shop" in page.text and "databases" in page.text and "Deprecated" in page.text
    assert "/r/acme/app-2" in page.links and "/?category=databases" in page.links
    found = nobody.open("/?category=databases").expect(200)
    assert "/r/acme/app" in found.links and dict(found.form(field="category").fields)["category"] == "databases"
    assert "/r/acme/app" not in nobody.open("/?category=none").expect(200).links
    page = bob.open("/r/acme/app/-/settings")
    for field, value in (("categories", "A B"), ("replacement", "No Name"), ("notice", "x" * 1001)):
        page = bob.submit(page, field="categories", **{field: value}).expect(422)
        assert f'id="w-{field}"' in page.html and dict(page.form(field="categories").fields)[field] == value
        page = bob.open("/r/acme/app/-/settings")
    bob.submit(page, field="categories", description="", categories="", notice="", replacement="").expect(200)
    assert "Deprecated" not in nobody.open("/r/acme/app").text
    dan.open("/r/acme/app/-/settings").expect(403)
    dan.open("/r/acme/hidden/-/settings").expect(404)


def test_visibility_is_changed_after_a_preview(bob, dan):
    page = bob.open("/r/acme/app/-/settings")
    page = bob.submit(page, field="visibility", visibility="private", follow=False).expect(200)
    assert "Make acme/app private?" in page.text
    dan.open("/r/acme/app").expect(200)
    bob.submit(page, field="sure").expect(200)
    dan.open("/r/acme/app").expect(404)
    page = bob.submit(bob.open("/r/acme/app/-/settings"), field="visibility", visibility="public", follow=False)
    assert "Make acme/app public?" in page.text
    bob.submit(page, field="sure").expect(200)
    dan.open("/r/acme/app").expect(200)


def test_a_repository_is_deleted_with_its_name_and_the_password(registry, bob):
    settings = "/r/acme/gone/-/settings"
    asked = next(form for form in bob.open(settings).forms if ("do", "delete") in form.fields)
    preview = bob.send("POST", settings, asked.fields, {"Sec-Fetch-Site": "same-origin"}).expect(200)
    assert "1 tag goes." in preview.text and "1 image goes." in preview.text
    again = bob.submit(preview, field="sure", typed="acme/app").expect(422)
    assert "This is not the name." in again.text and dict(again.form(field="sure").fields)["typed"] == "acme/app"
    with People(registry).as_user("bob", PASSWORD) as client:
        client.push_image("acme/gone", "v2", [b"another"])
    again = bob.submit(again, field="sure", typed="acme/gone").expect(422)
    assert "Something was pushed or deleted meanwhile" in again.text and "2 tags go." in again.text
    page = bob.submit(again, field="sure", typed="acme/gone").expect(200)
    assert "The repository acme/gone is deleted." in page.text
    bob.open("/r/acme/gone").expect(404)


def test_pictures_of_hosts_that_the_operator_allows_are_shown(tmp_path):
    with Registry(tmp_path / "data", 1, server_readme_images="img.example.org,*.example.net") as registry:
        people = People(registry)
        people.add("bob")
        with people.as_user("bob") as client:
            client.push_image("bob/app", "v1")
        with Visitor(registry.address) as visitor:
            bob = visitor.sign_in("bob")
            text = (
                "![a](https://img.example.org/a.png) ![b](https://x.example.net/b.png) ![c](https://evil.example/c.png)"
            )
            page = bob.submit(bob.open("/r/bob/app/-/readme"), field="text", text=text, do="save").expect(200)
            assert page.html.count("<img") == 2 and ">picture: c</a>" in page.html
            policy = page.response.headers["Content-Security-Policy"]
            assert "img-src 'self' https://img.example.org https://*.example.net; connect-src" in policy
            assert "example" not in bob.open("/r/bob/app/-/comments").response.headers["Content-Security-Policy"]
