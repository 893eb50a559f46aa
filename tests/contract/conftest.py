"""Drivers as fixtures: every test of a suite runs over each of them."""

import pytest

from tests.contract.drivers import DATABASES, STORAGES
from tests.support.rounds import LONG

# The domain runs over these, and what concerns the store also over a database that nodes share with an object store.
_PAIRS = [("sqlite", "filesystem"), ("mysql", "filesystem")]
_SHARED = ("mysql", "versitygw")
_WITHOUT_LOCKS = "test_holding"
_ABOUT_STORES = (
    "test_blobs",
    "test_collect",
    "test_image_readme",
    "test_moving",
    "test_overlap",
    "test_receiving",
    "test_small_blobs",
    "test_storage_check",
    "test_stored_blobs",
    "test_uploads",
)


def pytest_generate_tests(metafunc):
    """A test of the storage runs over each driver that has what the mark `only` names."""
    wanted = {trait for mark in metafunc.definition.iter_markers("only") for trait in mark.args}
    stores = [name for name, kind in STORAGES.items() if wanted <= set(kind.traits)]
    if metafunc.definition.get_closest_marker("galera") and not LONG:
        # These tests are about the database. The long round has the other stores too.
        stores = stores[:1]
    over = {"database_kind", "storage_kind"} & set(metafunc.fixturenames)
    if len(over) == 2:
        module = metafunc.module.__name__.rpartition(".")[2]
        pairs = [*_PAIRS, *([_SHARED] if module in _ABOUT_STORES and _SHARED[1] in stores else [])]
        pairs = [_SHARED] if module == _WITHOUT_LOCKS else pairs
        metafunc.parametrize(("database_kind", "storage_kind"), pairs, indirect=True, scope="session")
    elif over == {"storage_kind"}:
        metafunc.parametrize("storage_kind", stores, indirect=True, scope="session")
    elif over == {"database_kind"}:
        metafunc.parametrize("database_kind", DATABASES, indirect=True, scope="session")


@pytest.fixture(scope="session")
def storage_kind(request):
    return STORAGES[request.param]


@pytest.fixture(scope="session")
def database_kind(request):
    return DATABASES[request.param]


@pytest.fixture
def storage_driver(storage_kind, tmp_path):
    return storage_kind(tmp_path / "storage")


@pytest.fixture
def storage(storage_driver):
    opened = storage_driver.open()
    yield opened
    opened.close()


@pytest.fixture
def database_driver(database_kind, tmp_path):
    return database_kind(tmp_path / "database")


@pytest.fixture
def database(database_driver):
    opened = database_driver.open()
    yield opened
    opened.close()
