"""The main story with the keyboard alone, and what is focused can always be seen."""

from __future__ import annotations

import pytest

from tests.browser.content import furnish
from tests.support.browser import Window
from tests.support.people import PASSWORD, As, basic
from tests.support.server import Registry

MOST_STEPS = 120
NEW = "a long new password"
# The label of what has the focus, and whether it can be seen that it has.
_FOCUS = """() => {
  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
  const label = at.labels?.[0]?.innerText || at.getAttribute("aria-label") || at.innerText || at.value || "";
  const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return {tag: at.tagName, label: label.trim(), seen: shown && inside};
}"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("keyboard") / "data", 1, auth_anonymous="pull") as found:
        furnish(found, large=False)
        yield found


def press(window: Window, key: str) -> None:
    window.page.keyboard.press(key)


def enter(window: Window) -> None:
    """Press Enter, and wait for the page that comes."""
    with window.page.expect_navigation():
        press(window, "Enter")


def tab_to(window: Window, label: str, tag: str = "") -> None:
    """Press the tab key until something with this label has the focus."""
    passed = []
    for _ in range(MOST_STEPS):
        press(window, "Tab")
        focus = window.page.evaluate(_FOCUS)
        passed.append(focus["label"][:40])
        if focus["tag"] not in ("BODY", "HTML"):
            assert focus["seen"], f"{focus['label']!r} has the focus, and that can't be seen on {window.path}"
        if label in focus["label"] and (not tag or focus["tag"] == tag):
            return
    raise AssertionError(f"{label!r} can't be reached on {window.path}: {passed}")


def test_find_an_image_and_make_a_token(browser, registry):
    with browser.window(registry.url) as window:
        window.visit("/")
        tab_to(window, "Skip to content")
        press(window, "Enter")
        assert window.page.evaluate("document.activeElement.id") == "main"
        tab_to(window, "acme/app-web", "A")
        enter(window)
        assert window.path.startswith("/r/acme/app-web")
        tab_to(window, "Copy", "BUTTON")
        window.visit("/")
        tab_to(window, "Sign in", "A")
        enter(window)
        assert window.path.startswith("/login")
        # The first field has the focus, or is the next one.
        if window.page.evaluate("document.activeElement.id") != "f-name":
            tab_to(window, "Name", "INPUT")
        window.page.keyboard.type("bob")
        tab_to(window, "Password", "INPUT")
        window.page.keyboard.type(PASSWORD)
        enter(window)
        tab_to(window, "bob", "SUMMARY")
        press(window, "Enter")
        tab_to(window, "Access tokens", "A")
        enter(window)
        tab_to(window, "Name", "INPUT")
        window.page.keyboard.type("keys-only")
        enter(window)
        assert window.page.locator(".secret code").first.inner_text().startswith("dbr_")
        # Reading begins at what was made.
        assert window.page.evaluate("document.activeElement.closest('.secret') !== null")


def test_the_menu_closes_with_escape_and_the_search_box_has_a_key(browser, registry):
    with browser.window(registry.url) as window:
        window.visit("/help")
        search = window.page.locator("#q")
        if search.count():
            press(window, "/")
            assert window.page.evaluate("document.activeElement.id") == "q"


def test_the_clients_are_chosen_with_the_arrow_keys(browser, registry):
    """The commands of a client show as soon as it is chosen."""
    with browser.window(registry.url) as window:
        window.visit("/r/acme/app-web")
        window.page.locator("input[name=client]:checked").first.focus()
        before = window.page.locator(".switch .pane:visible").first.inner_text()
        press(window, "ArrowRight")
        after = window.page.locator(".switch .pane:visible").first.inner_text()
        assert "docker pull" in before and "docker pull" not in after
        window.visit("/r/acme/app-web")
        assert window.page.locator(".switch .pane:visible").first.inner_text() == after


def test_from_the_first_run_to_a_deleted_tag(browser, tmp_path):
    """The first account, its image, and a tag that goes after a preview."""
    with Registry(tmp_path / "data", 1) as registry, browser.window(registry.url) as window:
        window.visit("/")
        tab_to(window, "Make the first account", "A")
        enter(window)
        assert window.path == "/setup"
        if window.page.evaluate("document.activeElement.id") != "f-name":
            tab_to(window, "Name", "INPUT")
        window.page.keyboard.type("ann")
        tab_to(window, "Password", "INPUT")
        window.page.keyboard.type(NEW)
        enter(window)
        with As(registry.address, basic("ann", NEW)) as client:
            for tag in ("v1", "v2"):
                client.push_image("ann/app", tag, layers=[tag.encode()])
        window.visit("/")
        tab_to(window, "ann/app", "A")
        enter(window)
        tab_to(window, "Tags", "A")
        enter(window)
        tab_to(window, "v1", "INPUT")
        press(window, "Space")
        # The buttons stand before the table.
        for _ in range(MOST_STEPS):
            press(window, "Shift+Tab")
            if "Delete" in window.page.evaluate(_FOCUS)["label"]:
                break
        enter(window)
        assert "Delete 1 tag?" in window.text()
        tab_to(window, "Delete", "BUTTON")
        enter(window)
        assert window.path == "/r/ann/app/-/tags" and "1 tag is deleted" in window.flash()
        with As(registry.address, basic("ann", NEW)) as client:
            assert client.get("/v2/ann/app/tags/list").json()["tags"] == ["v2"]
        assert window.all_said == []
