"""Drivers as fixtures: every test of a suite runs over each of them."""

import pytest

from tests.contract.drivers import DATABASES, STORAGES


@pytest.fixture(params=STORAGES, scope="session")
def storage_kind(request):
    return STORAGES[request.param]


@pytest.fixture(params=DATABASES, scope="session")
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
