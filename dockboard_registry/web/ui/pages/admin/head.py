"""The ways between the pages of administrators."""

from ...visit import Visit

_TABS = (
    ("/admin", "admin.summary"),
    ("/admin/users", "admin.users"),
    ("/admin/invitations", "admin.invitations"),
    ("/admin/organizations", "admin.organizations"),
    ("/admin/uploads", "admin.uploads"),
    ("/admin/jobs", "admin.jobs"),
    ("/admin/changes", "admin.changes"),
    ("/admin/system", "admin.system"),
)


def tabs(visit: Visit) -> list[tuple[str, str]]:
    """(path, words) of the pages that there are."""
    return [(path, visit.t(id)) for path, id in _TABS if path in visit.paths]
