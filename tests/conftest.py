"""Fixtures that every test may ask for."""

from __future__ import annotations

import pytest

from tests.support.http import Client
from tests.support.server import Registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A running registry with two workers, shared by the tests of one module."""
    registry = Registry(tmp_path_factory.mktemp("registry") / "data").start()
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
