"""Stories about what was pushed: describing, starring, discussing, comparing, hiding and deleting it."""

from __future__ import annotations

import re

import pytest

from tests.browser.content import furnish
from tests.browser.steps import sign_in, sign_out
from tests.support.browser import Window
from tests.support.http import Client
from tests.support.people import As, basic
from tests.support.server import Registry

README = """# The web application

| port | what |
|---|---|
| 8080 | 网页 |

```sh
docker run -p 8080:8080 acme/app-web
```

![A picture](https://elsewhere.example/picture.png) <b>bold</b>
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("content") / "data", 1, auth_anonymous="pull") as found:
        furnish(found, large=False)
        yield found


@pytest.fixture
def window(browser, registry):
    with browser.window(registry.url) as window:
        yield window
        assert window.all_said == []


def choose(window: Window, *tags: str) -> None:
    """Tick the boxes of these rows."""
    for tag in tags:
        window.page.locator(f"main tr[data-name='{tag}'] input[type=checkbox]").check()


def told(window: Window, name: str) -> str:
    """What a page says, but for the name that was asked for and the number of the request."""
    return re.sub(r"\b[0-9a-f]{6}(-[0-9a-f]+){2}\b", "ID", window.text().replace(name, "NAME"))


def test_a_readme_a_star_and_a_comment(window):
    sign_in(window, "bob")
    window.visit("/r/acme/app-web/-/readme")
    window.fill(text=README)
    window.click("Preview")
    assert "not saved yet" in window.text() and window.page.locator("main .prose table").count() == 1
    assert window.page.locator("main textarea").input_value().strip() == README.strip()
    window.click("Save the README")
    assert "saved" in window.flash() and window.path == "/r/acme/app-web"
    assert window.page.locator("main img").count() == 0 and "<b>bold</b>" in window.text()
    window.picture("story-readme")
    sign_out(window, "bob")
    sign_in(window, "mei")
    window.visit("/r/acme/app-web")
    window.page.locator("main form", has=window.page.locator("button", has_text="Star")).locator("button").click()
    window.page.wait_for_load_state("load")
    window.visit("/account/stars")
    assert "acme/app-web" in window.text()
    window.visit("/r/acme/app-web/-/comments")
    window.fill(text="很好用，谢谢！ <script>alert(1)</script>")
    window.click("Add the comment")
    assert "很好用，谢谢！ <script>alert(1)</script>" in window.text() and "mei" in window.text()
    sign_out(window, "mei")
    sign_in(window, "bob")
    window.visit("/r/acme/app-web/-/comments")
    window.page.get_by_role("link", name="Remove the comment of").first.click()
    window.page.wait_for_load_state("load")
    window.click("Remove the comment")
    assert "removed" in window.flash() and "很好用" not in window.text()


def test_two_tags_are_compared(window):
    window.visit("/r/acme/app-web/-/tags")
    window.click("Compare two")
    assert "you chose 0" in window.text()
    choose(window, "2.7.0", "2.8.1")
    window.click("Compare two")
    assert window.path.startswith("/r/acme/app-web/-/compare?")
    assert "2.7.0" in window.text()
    window.picture("story-compare")
    window.click("Swap", role="link")
    assert "2.8.1" in window.text()


def test_tags_are_deleted_after_a_preview(registry, window):
    """The preview comes again when a tag moved meanwhile, and nothing is deleted then."""
    sign_in(window, "bob")
    window.visit("/r/acme/many/-/tags?q=v10*")
    choose(window, "v10", "v100")
    window.click("Delete…")
    assert "Delete 2 tags?" in window.text()
    with As(registry.address, basic("bob")) as client:
        client.push_image("acme/many", "v10", [b"moved"])
    window.click("Delete 2 tags")
    assert "moved meanwhile" in window.text()
    with Client(registry.address) as client:
        assert client.get("/v2/acme/many/manifests/v100").status == 200
    window.picture("story-delete")
    window.click("Delete 2 tags")
    assert "2 tags are deleted" in window.flash()
    with Client(registry.address) as client:
        assert [client.get(f"/v2/acme/many/manifests/{tag}").status for tag in ("v10", "v100", "v101")] == [
            404,
            404,
            200,
        ]


def test_a_repository_is_made_private_and_deleted(browser, registry, window):
    """For who may not see it, it looks like one that never was."""
    sign_in(window, "bob")
    window.visit("/r/bob/tool/-/settings")
    window.page.locator("main input[name=visibility][value=private]").check()
    window.click("Change…")
    window.picture("story-private")
    window.page.locator("main form button.btn").first.click()
    window.page.wait_for_load_state("load")
    window.visit("/r/bob/tool")
    assert window.page.locator("main .badge", has_text="private").count() == 1
    with browser.window(registry.url) as nobody:
        assert nobody.visit("/r/bob/tool") == 404
        hidden = told(nobody, "bob/tool")
        assert nobody.visit("/r/bob/none") == 404
        assert told(nobody, "bob/none") == hidden
        nobody.visit("/?q=tool")
        assert "bob/tool" not in nobody.text()
    window.visit("/r/bob/tool/-/settings")
    window.click("Delete…")
    assert "Delete the repository bob/tool?" in window.text()
    typed = window.page.locator("main input[name=typed]")
    if typed.count():
        typed.fill("bob/tool")
    window.click("Delete the repository bob/tool")
    assert "is deleted" in window.flash()
    assert window.visit("/r/bob/tool") == 404
