"""Which addresses of each route are looked at in the browser, and by whom.

A route that is new needs an entry here, else tests/browser/test_pages.py fails. What the addresses name is in
tests/browser/content.py.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.browser.content import LONG, LONG_TAG

# Routes of the program's files; they are no pages.
NO_PAGES = {
    "/static/{version}/{file}",
    "/favicon.ico",
    "/robots.txt",
    "/admin/changes/lines",
    "/@{namespace}/changes/lines",
    "/account/export",
    "/r/{repository}@{digest}/-/manifest",
}


class Entry(NamedTuple):
    """An address, who is signed in there (nobody where empty), and the status of the answer.

    huge: axe takes long for the page, so it looks at it once.
    """

    path: str
    who: str = ""
    status: int = 200
    huge: bool = False


ENTRIES: dict[str, tuple[Entry, ...]] = {
    "/": (Entry("/"), Entry("/", "bob"), Entry("/?q=web&kind=images&sort=name"), Entry("/?q=nothing-like-this", "bob")),
    "/search": (
        Entry("/search?q=web"),
        Entry("/search?q=nothing-like-this", "bob"),
        Entry("/search?q=kind%3Anonsense"),
    ),
    "/@{account}": (Entry("/@acme"), Entry("/@acme?q=nothing-like-this", "bob"), Entry("/@bob", "bob")),
    "/login": (Entry("/login"),),
    "/register": (Entry("/register"),),
    "/forgot": (Entry("/forgot"),),
    "/reset": (Entry("/reset"),),
    "/invitation": (Entry("/invitation"),),
    "/setup": (Entry("/setup", status=404),),
    "/account": (Entry("/account", "bob"),),
    "/account/password": (Entry("/account/password", "bob"),),
    "/account/tokens": (Entry("/account/tokens", "bob"), Entry("/account/tokens", "ann")),
    "/account/sessions": (Entry("/account/sessions", "bob"),),
    "/account/leave": (Entry("/account/leave", "bob"),),
    "/help": (Entry("/help"), Entry("/help", "bob")),
    "/@{organization}/members": (Entry("/@acme/members", "bob"), Entry("/@acme/members?q=nobody", "mei")),
    "/@{organization}/teams": (Entry("/@acme/teams", "bob"), Entry("/@empty/teams", "bob")),
    "/@{organization}/teams/{team}": (Entry("/@acme/teams/dev", "bob"), Entry("/@acme/teams/dev", "mei")),
    "/@{organization}/robots": (Entry("/@acme/robots", "bob"), Entry("/@empty/robots", "bob")),
    "/@{organization}/robots/{robot}": (Entry("/@acme/robots/ci", "bob"),),
    "/@{namespace}/grants": (Entry("/@acme/grants", "bob"), Entry("/@bob/grants", "bob")),
    "/@{namespace}/changes": (Entry("/@acme/changes", "bob"), Entry("/@bob/changes?action=nothing", "bob")),
    "/@{namespace}/settings": (Entry("/@acme/settings", "ann"), Entry("/@bob/settings", "bob")),
    "/r/{repository}/-/access": (
        Entry("/r/acme/app-web/-/access?who=mei&action=push", "bob"),
        Entry("/r/acme/app-web/-/access?who=none-such&action=delete", "ann"),
    ),
    "/admin": (Entry("/admin", "ann"), Entry("/admin", "eve", 403)),
    "/admin/users": (Entry("/admin/users", "ann"), Entry("/admin/users?state=disabled", "ann")),
    "/admin/users/{user}": (Entry("/admin/users/mei", "ann"), Entry("/admin/users/ann", "ann")),
    "/admin/invitations": (Entry("/admin/invitations", "ann"),),
    "/admin/organizations": (Entry("/admin/organizations", "ann"),),
    "/admin/uploads": (Entry("/admin/uploads", "ann"),),
    "/admin/jobs": (Entry("/admin/jobs", "ann"),),
    "/admin/changes": (Entry("/admin/changes", "ann"), Entry("/admin/changes?action=nothing", "ann")),
    "/admin/system": (Entry("/admin/system", "ann"),),
    "/r/{repository}/-/compare": (
        Entry("/r/acme/app-web/-/compare"),
        Entry("/r/acme/app-web/-/compare?from=2.8.0&to=2.8.1"),
        Entry("/r/acme/app-web/-/compare?from=2.8.1&to=acme/charts/web:1.4.2", "bob"),
        Entry("/r/acme/app-web/-/compare?from=none&to=2.8.1", status=404),
    ),
    "/r/{repository}/-/tags": (
        Entry("/r/acme/app-web/-/tags"),
        Entry("/r/acme/app-web/-/tags", "bob"),
        Entry("/r/acme/many/-/tags", "bob"),
        Entry("/r/acme/many/-/tags?q=nothing"),
        Entry("/r/acme/none/-/tags", "bob"),
    ),
    "/r/{repository}/-/untagged": (
        Entry("/r/acme/many/-/untagged", "bob"),
        Entry("/r/acme/app-web/-/untagged", "bob"),
    ),
    "/r/{repository}:{tag}": (
        Entry("/r/acme/app-web:2.8.1"),
        Entry("/r/acme/app-web:none", status=404),
        Entry("/r/acme/large:layers", huge=True),
        Entry("/r/acme/large:platforms", huge=True),
        Entry("/r/acme/charts/web:1.4.2"),
        Entry("/r/acme/broken:v1"),
        Entry(f"/r/{LONG}:{LONG_TAG}"),
    ),
    # Digests differ from run to run; a tag shows the same page.
    "/r/{repository}@{digest}": (Entry("/r/acme/app-web@sha256:" + "0" * 64, status=404),),
    "/r/{repository}:{tag}@{digest}": (Entry("/r/acme/app-web:2.8.1@sha256:" + "0" * 64, status=404),),
    "/r/{repository}/-/comments": (Entry("/r/acme/app-web/-/comments"), Entry("/r/acme/app-web/-/comments", "mei")),
    "/r/{repository}/-/readme": (Entry("/r/acme/app-web/-/readme", "bob"),),
    "/r/{repository}/-/settings": (Entry("/r/acme/app-web/-/settings", "bob"),),
    "/account/stars": (Entry("/account/stars", "bob"), Entry("/account/stars", "mei")),
    "/r/{repository}": (
        Entry("/r/acme/app-web"),
        Entry("/r/acme/app-web", "bob"),
        Entry("/r/acme/charts/web"),
        Entry("/r/acme/secret", "bob"),
        Entry("/r/acme/none", "bob"),
        Entry("/r/acme/broken"),
        Entry(f"/r/{LONG}"),
    ),
}
# What belongs to no route: errors.
ERRORS = (Entry("/Nothing/Is/Here", status=404), Entry("/Nothing/Is/Here", "bob", 404))


def every() -> list[Entry]:
    """All of them, those of the same person beside each other."""
    found = [entry for entries in ENTRIES.values() for entry in entries] + list(ERRORS)
    return sorted(found, key=lambda entry: entry.who)
