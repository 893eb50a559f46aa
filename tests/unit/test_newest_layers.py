"""The layers of a repository's newest image, as a text that fits its column."""

import re
from pathlib import Path

from dockboard_registry.domain.explore.newest_layers import MOST, Part, own_bytes, read, written
from dockboard_registry.numbers import LARGEST

SCHEMA = Path(__file__).parents[2] / "schema" / "0022_repository_layers.sql"


def test_what_was_written_is_read_again():
    layers = [Part(2310, True), Part(0, False), Part(7, True)]
    assert written(layers) == "+2310,0,+7"
    assert read(written(layers)) == layers
    assert read(written([])) == read(None) == []


def test_of_many_layers_the_last_ones_are_added_up():
    layers = [Part(number, number % 3 == 0) for number in range(3 * MOST)]
    found = read(written(layers))
    assert len(found) == MOST and found[: MOST - 2] == layers[: MOST - 2]
    assert own_bytes(found) == own_bytes(layers)
    assert sum(part.size for part in found) == sum(part.size for part in layers)


def test_the_longest_text_fits_the_column():
    (room,) = re.findall(r"VARCHAR\((\d+)\)", SCHEMA.read_text())
    assert len(written([Part(LARGEST, True)] * (2 * MOST))) <= int(room)
