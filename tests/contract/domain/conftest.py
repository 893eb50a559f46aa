"""A registry's domain as fixtures."""

import pytest

from tests.contract.domain.world import World


@pytest.fixture
def small():
    """Bytes of the blobs that lie in the database: none. placement.py has tests run both ways."""
    return 0


@pytest.fixture
def world(database_driver, storage_driver, small):
    made = World(database_driver, storage_driver, small)
    yield made
    made.close()


@pytest.fixture
def process(world):
    """A worker that keeps everything."""
    return world.process()


@pytest.fixture
def other(world):
    """A second worker process, with connections of its own."""
    return world.process()


@pytest.fixture
def hasty(world):
    """A worker that collects at once whatever is not needed."""
    return world.process(lease=0, grace=0, expiry=0)
