"""Tries what the registry needs of a store, for the command `doctor storage`. Nothing that it writes stays."""

from ...steps import Examined


def examine(section) -> Examined:
    """section: the section `storage` of the configuration. Only the modules of its kind of store are read."""
    if section.url is None:
        from .files import examine_files

        return examine_files(section)
    from .objects import examine_objects

    return examine_objects(section)
