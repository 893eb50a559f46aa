"""Imports from registry.pyz, where nothing is compiled ahead: each module is compiled at each start, and should be so once.

CPython's zipimporter compiles a module twice, for its file name when it is found and again when it is loaded (zipimport.py,
get_filename in 3.11 to 3.14). That would be a quarter of the time from the start to the first answer.
"""

import os
import sys
from zipimport import zipimporter


class Importer(zipimporter):
    """A zipimporter for archives without compiled modules."""

    def get_filename(self, fullname: str) -> str:
        """The path that the module's __file__ gets, without a look at its source. Raises ZipImportError."""
        end = f"{os.sep}__init__.py" if self.is_package(fullname) else ".py"
        return f"{self.archive}{os.sep}{self.prefix}{fullname.rpartition('.')[2]}{end}"


def compile_once() -> None:
    """From now on, for this program's archive and any other."""
    sys.path_hooks[:] = [Importer if hook is zipimporter else hook for hook in sys.path_hooks]
    sys.path_importer_cache.clear()
