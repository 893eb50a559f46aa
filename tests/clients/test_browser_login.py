"""From the browser to docker: a token that is made on a page logs the client in, and what it pushes shows on a page."""

from __future__ import annotations

import pytest

from tests.browser.steps import sign_in
from tests.support.browser import Browser, Window
from tests.support.images import docker_archive, layer_tar, noise
from tests.support.people import People

# The pages are the same over every database.
pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """bob has an account and nothing else."""
    with deploy(tmp_path_factory.mktemp("login") / "data") as registry:
        People(registry).add("bob")
        yield registry


@pytest.fixture
def window(registry):
    browser = Browser()
    try:
        with browser.window(registry.url) as window:
            yield window
    finally:
        browser.stop()


def make_token(window: Window) -> str:
    """The secret of a token that may pull and push, and the words of the page that say how to log in."""
    window.visit("/account/tokens")
    window.fill(name="laptop", repositories="bob/*")
    for action in ("push", "create"):
        window.page.locator(f"main [name=actions][value={action}]").check()
    window.click("Make the token")
    return window.page.locator(".secret .cmd code").first.inner_text()


def test_a_token_of_a_page_logs_docker_in(docker, registry, window, tmp_path):
    sign_in(window, "bob")
    secret, image = make_token(window), f"{registry.address}/bob/app:v1"
    login = ("login", "--username", "bob", "--password-stdin", registry.address)
    # The page shows the same command.
    assert "docker " + " ".join(login) in window.page.locator(".secret").inner_text().replace("\u200b", "")
    docker(*login, input=secret.encode())
    docker_archive(tmp_path / "image.tar", image, [layer_tar({"own": noise(9_000, 6)})])
    docker("load", "--input", tmp_path / "image.tar")
    docker("push", image)
    window.visit("/r/bob/app")
    assert f"docker pull {image}" in window.text()
    docker("pull", image)
    window.visit("/account/tokens")
    assert "127.0.0.1" in window.page.locator("tr", has_text="laptop").inner_text()
    window.page.locator("tr", has_text="laptop").get_by_role("button", name="Revoke").click()
    window.page.wait_for_load_state("load")
    assert "the login has ended" in docker.refused("pull", image)
    docker("logout", registry.address)
    assert window.all_said == []
