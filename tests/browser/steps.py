"""Steps that many stories take."""

from __future__ import annotations

from tests.support.browser import Window
from tests.support.people import PASSWORD


def sign_in(window: Window, name: str, password: str = PASSWORD) -> None:
    window.visit("/")
    window.click("Sign in", role="link")
    window.fill(name=name, password=password)
    window.page.locator("main form button.main").click()
    window.page.wait_for_load_state("load")
    assert window.page.locator("summary", has_text=name).count() == 1, window.text()


def sign_out(window: Window, name: str) -> None:
    window.page.locator("summary", has_text=name).click()
    window.click("Sign out")
