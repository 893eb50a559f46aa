"""Fixtures that every test may ask for. tests/support/deployments.py says which tests run
over which kind of registry.
"""

from __future__ import annotations

import os

import pytest

from tests.support import places
from tests.support.deployments import MAKERS, kinds
from tests.support.http import Client
from tests.support.rounds import LONG
from tests.support.times import Times, longest_first

if places.MEMORY:
    # The root of pytest's tmp_path.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", places.MEMORY)


def pytest_generate_tests(metafunc):
    """A test that needs a registry of no particular kind is a test for each kind."""
    if "deploy" in metafunc.fixturenames:
        metafunc.parametrize("deploy", kinds(metafunc.definition), indirect=True, scope="module")


def pytest_configure(config):
    config.pluginmanager.register(Times())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Long rounds take as long as they take."""
    longest_first(items)
    for item in items if LONG else ():
        item.add_marker(pytest.mark.timeout(6 * 3600))


@pytest.fixture(scope="module")
def deploy(request):
    """Makes a registry of the test's kind: `deploy(root, **settings)`."""
    return MAKERS[request.param]


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """A running registry with two workers in all, shared by the tests of one module."""
    # Said in words, since some tests send what proxies add to a request, and then nobody is local.
    registry = deploy(tmp_path_factory.mktemp("registry") / "data", auth_anonymous="push").start()
    try:
        yield registry
    finally:
        registry.stop()
    assert "Traceback" not in registry.log.read_text(), registry.tail()


@pytest.fixture
def client(registry):
    """A connection to the module's registry."""
    with Client(registry.address) as client:
        yield client
