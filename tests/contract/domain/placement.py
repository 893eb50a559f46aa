"""Where the bytes of small blobs lie: tests of uploads and of what becomes of blobs hold for files and for rows of the
database.
"""

import pytest

from dockboard_registry.domain.content.small_blobs import LIMIT

everywhere = pytest.mark.parametrize("small", [0, LIMIT], ids=["files", "rows"])
