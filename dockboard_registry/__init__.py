"""A container registry in one file."""

__version__ = "0.1.0"


def commit() -> str:
    """The git commit that registry.pyz was built from; `source tree` when running from one."""
    try:
        from dockboard_registry._stamp import COMMIT
    except ImportError:
        return "source tree"
    return COMMIT
