"""Imports from registry.pyz: each module is compiled once, from the bytes that the program was started with.

CPython's zipimporter compiles a module twice: for its file name when it is found, and again when it is loaded
(zipimport.py, get_filename in 3.11 to 3.14). That would be a quarter of the time from the start to the first answer.

It also opens the archive again for each module. Some modules are imported hours after the start, and an operator may
replace the file of a running server. So the archive's bytes are kept in memory, in pages that the workers share.
"""

import functools
import os
import struct
import sys
import zlib
from collections.abc import Iterable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from zipimport import zipimporter

# End of the directory: its size and offset. Entry: method, packed size; lengths of name, extra field and comment;
# offset of the data's header.
_END, _ENTRY = struct.Struct("<12xLL2x"), struct.Struct("<10xH8xL4xHHH8xL")
# The header before the data: the lengths of name and extra field.
_HEADER = struct.Struct("<26xHH")
_STORED = 0


class _Archive:
    """The content of a zip file without a comment and with less than 4 GiB. Raises OSError."""

    def __init__(self, path: str):
        with open(path, "rb") as file:
            self._content = file.read()
        self._entries: dict[str, tuple[int, int, int]] = {}
        end = len(self._content) - _END.size
        size, offset = _END.unpack_from(self._content, end)
        place, shift = end - size, end - size - offset
        while place < end:
            method, packed, name, extra, comment, header = _ENTRY.unpack_from(self._content, place)
            place += _ENTRY.size
            self._entries[self._content[place : place + name].decode()] = method, packed, header + shift
            place += name + extra + comment

    def names(self) -> Iterable[str]:
        return self._entries

    def read(self, name: str) -> bytes:
        """Raises KeyError."""
        method, size, header = self._entries[name]
        begin = header + _HEADER.size + sum(_HEADER.unpack_from(self._content, header))
        packed = self._content[begin : begin + size]
        return packed if method == _STORED else zlib.decompress(packed, -zlib.MAX_WBITS)


_archive = functools.cache(_Archive)


class Importer(zipimporter):
    """A zipimporter for archives without compiled modules, which reads each archive once."""

    def __init__(self, path: str):
        super().__init__(path)
        _archive(self.archive)

    def get_filename(self, fullname: str) -> str:
        """The path that the module's __file__ gets. The source is not read. Raises ZipImportError."""
        end = f"{os.sep}__init__.py" if self.is_package(fullname) else ".py"
        return f"{self.archive}{os.sep}{self.prefix}{fullname.rpartition('.')[2]}{end}"

    def get_code(self, fullname: str) -> CodeType:
        """Raises ZipImportError."""
        path = self.get_filename(fullname)
        return SourceFileLoader(fullname, path).source_to_code(self.get_data(path), path)

    def get_source(self, fullname: str) -> str:
        """The lines that a traceback shows. Raises ZipImportError."""
        return self.get_data(self.get_filename(fullname)).decode()

    def get_data(self, pathname: str) -> bytes:
        """The bytes of a file in the archive. Raises OSError."""
        name = pathname.removeprefix(self.archive + os.sep)
        try:
            return _archive(self.archive).read(name)
        except KeyError:
            raise FileNotFoundError(f"{self.archive} has no file {name}") from None

    def names_below(self, folder: str) -> list[str]:
        """The paths of the files below a folder of the archive."""
        return [name for name in _archive(self.archive).names() if name.startswith(f"{folder}/")]


def files_of(package: str, folder: str) -> list[str]:
    """The files below a folder of a package that is imported, by their paths in it; `pkgutil.get_data` reads them.

    importlib.resources would open the archive again, which may be another one by now.
    """
    module = sys.modules[package]
    if isinstance(module.__spec__.loader, Importer):
        root = package.replace(".", "/")
        return [name.removeprefix(f"{root}/") for name in module.__spec__.loader.names_below(f"{root}/{folder}")]
    root = Path(module.__file__).parent
    return [path.relative_to(root).as_posix() for path in (root / folder).rglob("*") if path.is_file()]


def compile_once() -> None:
    """Use Importer for all archives from now on."""
    sys.path_hooks[:] = [Importer if hook is zipimporter else hook for hook in sys.path_hooks]
    sys.path_importer_cache.clear()
