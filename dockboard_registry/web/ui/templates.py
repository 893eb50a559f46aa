"""Templates: files of templates/, compiled once for each worker, when they are first used.

Each is written in the language of tornado.template. Values are escaped (see markup.py); nothing switches that off.
"""

import pkgutil
import posixpath
from collections.abc import Mapping

from tornado.template import BaseLoader, Template

from ...archive import files_of
from . import markup

# Templates call this for each value. Tornado's own makes bytes of it and leaves escaping to a second function, which
# {% raw %} leaves out. Ours does both: it also tells markup from text, and never fails.
_NAMESPACE = {"_tt_utf8": markup.written}
_FOLDER = "templates"


class _Loader(BaseLoader):
    """Templates by their path below templates/."""

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        return posixpath.normpath(name)

    def _create_template(self, name: str) -> Template:
        return Template(pkgutil.get_data(__package__, f"{_FOLDER}/{name}"), name=name, loader=self)


_loader = _Loader(autoescape=None, namespace=_NAMESPACE, whitespace="single")


def prepare() -> None:
    """Compile all templates."""
    for path in files_of(__package__, _FOLDER):
        _loader.load(path.removeprefix(f"{_FOLDER}/"))


def render(name: str, values: Mapping[str, object]) -> bytes:
    """The page or part, as UTF-8."""
    return _loader.load(name).generate(**values)
