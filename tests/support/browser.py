"""A real Chromium, driven by playwright: what a page does in it, how it looks, and what it says.

One browser serves all tests of a process. A `Window` is one person's: its cookies are its own.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.server import REPOSITORY
from tests.support.tools import missing, tool

DESKTOP, PHONE, NARROW = (1280, 900), (390, 844), (320, 700)
ENGLISH, CHINESE = "en-US", "zh-CN"
# Of version 4.12.1.
AXE_SHA256 = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc"
# WCAG 2.2 AA and what axe calls best practices.
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# Where pictures of the pages are kept for people to look at. Empty: nowhere.
ARTEFACTS = os.environ.get("DOCKBOARD_TESTS_ARTEFACTS", str(REPOSITORY / "results" / "browser"))
MOST_SHIFT = 0.01

# Begins before the page's own scripts.
_WATCH = """
window.__shift = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""
# What sticks out of the window to the right, unless something around it scrolls or hides it.
_WIDER = """() => {
  const width = document.documentElement.clientWidth, found = [];
  const clipped = element => {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.overflowX !== "visible" || style.clipPath !== "none") return true;
    }
    return false;
  };
  if (document.documentElement.scrollWidth > width) found.push(`the page: ${document.documentElement.scrollWidth}`);
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.width && box.right > width + 1 && !clipped(element))
      found.push(`${element.outerHTML.slice(0, 120)} ends at ${Math.round(box.right)}`);
  }
  return found.slice(0, 5);
}"""
_AXE = """async which => {
  const found = await axe.run(document, {runOnly: which, resultTypes: ["violations"]});
  const why = node => node.failureSummary.split("\\n").slice(1).join(";").slice(0, 300);
  return found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(" ")}: ${why(node)}`));
}"""


@functools.cache
def _axe() -> str:
    """The script, if it is the one that was looked at when its version was pinned."""
    import axe_playwright_python

    script = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == AXE_SHA256, "axe.min.js is not that of the pinned version"
    return script.decode()


@dataclass
class Loaded:
    """One answer that the browser got for a page."""

    url: str
    status: int
    kind: str
    headers: dict[str, str]
    size: int = 0  # head and body as they came over the wire


@dataclass
class Window:
    """One person's window. `said` has all that no page may do: messages on the console, failed requests, dialogs;
    `all_said` those of the pages before too.
    """

    page: Any
    base: str
    scripts: bool = True
    said: list[str] = field(default_factory=list)
    all_said: list[str] = field(default_factory=list)
    loaded: list[Loaded] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._console(message))
        self.page.on("pageerror", lambda error: self._say(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self._watch_network()

    def _say(self, text: str) -> None:
        self.said.append(text)
        self.all_said.append(text)

    def _console(self, message: Any) -> None:
        # Chromium says so of the page itself, too, where its status is an error's. `visit` tells the status.
        own = "Failed to load resource" in message.text and message.location["url"] == self.page.url
        if not own:
            self._say(f"{message.type}: {message.text} ({message.location['url']})")

    def _dialog(self, dialog: Any) -> None:
        self._say(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _watch_network(self) -> None:
        session = self.page.context.new_cdp_session(self.page)
        pending: dict[str, Loaded] = {}

        def answered(event: dict) -> None:
            answer = event["response"]
            pending[event["requestId"]] = Loaded(answer["url"], answer["status"], event["type"], answer["headers"])

        def finished(event: dict) -> None:
            if found := pending.pop(event["requestId"], None):
                found.size = int(event["encodedDataLength"])
                self.loaded.append(found)

        def failed(event: dict) -> None:
            # A page that one leaves for another, and a download, end in this way.
            if not event.get("canceled"):
                self._say(f"request failed: {event.get('errorText')} {event.get('blockedReason', '')}")

        session.on("Network.responseReceived", answered)
        session.on("Network.loadingFinished", finished)
        session.on("Network.loadingFailed", failed)
        session.send("Network.enable")

    def visit(self, path: str) -> int:
        """Open a page and wait until all of it is there; its status. 0: it is a file to save, and the page stays."""
        self.said.clear()
        self.loaded.clear()
        try:
            answer = self.page.goto(self.base + path, wait_until="load")
        except Exception as error:
            if "Download is starting" not in str(error):
                raise
            return 0
        return answer.status if answer else 0

    def keep(self, cookies: Mapping[str, str]) -> None:
        """Put cookies of a Visitor into the window: who is signed in there is signed in here."""
        found = [{"name": name, "value": value, "url": self.base} for name, value in cookies.items()]
        self.page.context.add_cookies(found)

    @property
    def path(self) -> str:
        """Where the window is, without the host."""
        return self.page.url.removeprefix(self.base)

    def click(self, name: str, role: str = "button", **more: Any) -> None:
        """Press the button, or follow the link, of this name, and wait for the page that comes."""
        self.page.get_by_role(role, name=name, **more).first.click()
        self.page.wait_for_load_state("load")

    def fill(self, **fields: str) -> None:
        """Type into the fields of these names in the main part of the page."""
        for name, value in fields.items():
            self.page.locator(f"main [name={name}]").last.fill(value)

    def text(self) -> str:
        """What a reader sees of the main part."""
        return self.page.locator("main").inner_text()

    def heading(self) -> str:
        return self.page.locator("h1").first.inner_text()

    def flash(self) -> str:
        """What the page says about what was done."""
        found = self.page.locator(".flash")
        return found.first.inner_text() if found.count() else ""

    def axe(self, *rules: str) -> list[str]:
        """What axe finds, one line for each place; by these rules alone, if some are named."""
        which = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": AXE_TAGS}
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_axe())
        return self.page.evaluate(_AXE, which)

    def shift(self) -> float:
        """How much of the page moved while it came, as Chromium counts it."""
        return self.page.evaluate("window.__shift")

    def wider(self) -> list[str]:
        """What is wider than the window."""
        return self.page.evaluate(_WIDER)

    def resize(self, size: tuple[int, int]) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def theme(self, name: str) -> None:
        """`dark` or `light`, as the system of the reader has it."""
        self.page.emulate_media(color_scheme=name)

    def picture(self, name: str) -> None:
        """Keep a picture of the whole page for people to look at, if they want pictures."""
        if ARTEFACTS:
            file = f"{re.sub(r'[^A-Za-z0-9@._-]+', '-', name).strip('-')}.png"
            self.page.screenshot(path=Path(ARTEFACTS, file), full_page=True)

    def html_size(self) -> int:
        """Bytes of the page's HTML, compressed as the server compresses it."""
        return len(gzip.compress(self.page.content().encode(), 5))

    def sent(self) -> tuple[int, int]:
        """How many requests the page took, and how many bytes came for them."""
        return len(self.asked()), sum(answer.size for answer in self.loaded)

    def asked(self) -> list[str]:
        """The addresses that the page asked for. Pictures within the page, or in Chromium's own fields, are none."""
        return [answer.url for answer in self.loaded if not answer.url.startswith("data:")]


class Browser:
    """A Chromium without a screen."""

    def __init__(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        # Chromium's own sandbox does not work for root.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self._chromium = self._playwright.chromium.launch(
            executable_path=str(tool("chromium")),
            args=[*sandbox, "--disable-gpu", "--disable-dev-shm-usage", "--disable-component-update"],
        )
        self.version = self._chromium.version

    @contextmanager
    def window(
        self,
        base: str,
        size: tuple[int, int] = DESKTOP,
        language: str = ENGLISH,
        theme: str = "light",
        scripts: bool = True,
        **more: Any,
    ) -> Iterator[Window]:
        """A window of somebody who has never been there. `base` is the registry's URL."""
        context = self._chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            locale=language,
            color_scheme=theme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
            **more,
        )
        context.set_default_timeout(20_000)
        context.add_init_script(_WATCH)
        try:
            yield Window(context.new_page(), base, scripts)
        finally:
            context.close()

    def stop(self) -> None:
        self._chromium.close()
        self._playwright.stop()


def problems(window: Window, axe: bool = True) -> list[str]:
    """All that is wrong with the page that the window shows. axe runs in the page, so only where scripts do."""
    found = [f"console: {said}" for said in window.said]
    found += [f"wider than the window: {wide}" for wide in window.wider()]
    if not window.scripts:
        return found
    if (shift := window.shift()) > MOST_SHIFT:
        found.append(f"the page moved by {shift:.3f} while it came")
    return found + ([f"axe: {line}" for line in window.axe()] if axe else [])
