"""Chromium for each module of tests. It ends with the module: while it runs, no other event loop can."""

from __future__ import annotations

import pytest

from tests.support.browser import Browser


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    try:
        yield browser
    finally:
        browser.stop()
