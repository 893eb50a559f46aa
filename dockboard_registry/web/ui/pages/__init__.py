"""The handlers of pages, one module for each group of pages. TABLES has the routes of all of them."""

from . import access, explore, frame, help, manifest, repository, signing, tags
from .admin import changes, invitations, jobs, organizations, summary, system, uploads, users
from .namespace import grants, members, robots, settings, teams

_ADMIN = (summary, users, invitations, organizations, uploads, jobs, changes, system)
_NAMESPACE = (members, teams, robots, grants, settings)
TABLES = tuple(
    each.TABLE for each in (frame, explore, repository, tags, manifest, signing, help, access, *_NAMESPACE, *_ADMIN)
)
