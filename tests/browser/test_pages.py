"""Every page in a real browser: on a desk and on phones, light and dark, in English and Chinese, without scripts.

Pictures of all of them are kept for people to look at.
"""

from __future__ import annotations

import contextlib
import re

import pytest

from dockboard_registry.web.ui import routes
from tests.browser.content import furnish
from tests.browser.entries import ENTRIES, NO_PAGES, Entry, every
from tests.support.browser import CHINESE, DESKTOP, ENGLISH, NARROW, PHONE, Window, problems
from tests.support.server import Registry
from tests.support.visitor import Visitor

MOST_HTML = 30 << 10
# The page, its style sheet, its script and its icon.
MOST_REQUESTS = 4
HAN = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(
        tmp_path_factory.mktemp("pages") / "data", 1, auth_anonymous="pull", auth_registration="open"
    ) as found:
        furnish(found)
        yield found


@pytest.fixture(scope="module")
def windows(browser, registry):
    """`windows(who, **how)` is that person's window; the same one each time."""
    open_windows: dict[tuple, Window] = {}
    cookies: dict[str, dict[str, str]] = {"": {}}
    with contextlib.ExitStack() as stack:

        def window(who: str, **how: object) -> Window:
            if who not in cookies:
                with Visitor(registry.address) as visitor:
                    cookies[who] = visitor.sign_in(who).cookies
            key = (who, *sorted(how.items()))
            if key not in open_windows:
                open_windows[key] = stack.enter_context(browser.window(registry.url, **how))
                open_windows[key].keep(cookies[who])
            return open_windows[key]

        yield window


def test_every_route_has_an_entry():
    """A route that only takes forms has no page of its own."""
    shown = {page.path for page in routes.pages() if page.get is not None}
    assert shown - NO_PAGES == set(ENTRIES)


def name_of(entry: Entry) -> str:
    return f"{entry.path[:80].strip('/') or 'explore'}-{entry.who or 'nobody'}"


@pytest.mark.parametrize("entry", every(), ids=name_of)
def test_a_page_in_each_way(windows, entry):
    wrong: list[str] = []
    for words, check in (("desk", on_a_desk), ("Chinese, dark, phone", in_chinese), ("no scripts", without_scripts)):
        wrong += [f"{words}: {line}" for line in check(windows, entry)]
    assert not wrong, "\n".join(wrong)


def on_a_desk(windows, entry: Entry) -> list[str]:
    """In the light and in the dark; then the same page on phones."""
    window = windows(entry.who, size=DESKTOP, language=ENGLISH)
    window.resize(DESKTOP)
    window.theme("light")
    found = opened(window, entry)
    found += frame_problems(window, "en")
    window.picture(f"{name_of(entry)}-desk")
    if not entry.huge:
        window.theme("dark")
        found += [f"dark: {line}" for line in window.axe("color-contrast")]
    for size in (PHONE, NARROW):
        window.resize(size)
        found += [f"{size[0]} wide: {line}" for line in window.wider()]
    return found


def in_chinese(windows, entry: Entry) -> list[str]:
    window = windows(entry.who, size=PHONE, language=CHINESE, theme="dark")
    found = opened(window, entry, axe=not entry.huge) + frame_problems(window, "zh-Hans")
    window.picture(f"{name_of(entry)}-phone-zh")
    if not HAN.search(window.heading() + window.page.title()):
        names = window.page.locator("h1 [translate=no], h1[translate=no]").count()
        found += [] if names else [f"the heading {window.heading()!r} is not Chinese"]
    return found


def without_scripts(windows, entry: Entry) -> list[str]:
    window = windows(entry.who, size=NARROW, scripts=False)
    found = opened(window, entry)
    window.picture(f"{name_of(entry)}-narrow-plain")
    return found


def opened(window: Window, entry: Entry, axe: bool = True) -> list[str]:
    status = window.visit(entry.path)
    found = problems(window, axe)
    return found if status == entry.status else [f"the status is {status}", *found]


def frame_problems(window: Window, language: str) -> list[str]:
    """What the frame of each page promises."""
    page, found, asked = window.page, [], window.asked()
    if len(asked) > MOST_REQUESTS:
        found.append(f"it takes {len(asked)} requests: {asked}")
    if (size := window.html_size()) > MOST_HTML:
        found.append(f"its HTML has {size:,} bytes")
    if page.locator("h1").count() != 1:
        found.append(f"it has {page.locator('h1').count()} headings of the first level")
    if page.evaluate("document.documentElement.lang") != language:
        found.append("its language is not said")
    if not page.title().endswith(" · Dockboard") or page.title().startswith(" "):
        found.append(f"its title is {page.title()!r}")
    return found
