"""The handlers of pages, one module for each group of pages. TABLES has the routes of all of them."""

from . import (
    access,
    account,
    added,
    compare,
    explore,
    frame,
    help,
    joining,
    manifest,
    repository,
    repository_settings,
    search,
    setup,
    signing,
    tags,
    tokens,
    untagged,
)
from .admin import changes, invitations, jobs, organizations, summary, system, uploads, users
from .namespace import changes as namespace_changes
from .namespace import grants, members, robots, settings, teams

_OWN = (signing, joining, setup, account, tokens)
_REPOSITORY = (repository, tags, untagged, manifest, compare, added, repository_settings, access)
_NAMESPACE = (members, teams, robots, grants, namespace_changes, settings)
_ADMIN = (summary, users, invitations, organizations, uploads, jobs, changes, system)
TABLES = tuple(each.TABLE for each in (frame, explore, search, help, *_OWN, *_REPOSITORY, *_NAMESPACE, *_ADMIN))
