"""Every operation of the API with every verb for everybody, against an oracle in the words of docs/accounts.md
(reference: route x principal x state).

What changes something is sent with a field of the query that there is not, so that who may hears 400, and nothing is
changed. An operation that has no row here fails the test.
"""

from __future__ import annotations

import base64
import time
from urllib.parse import unquote

import pytest

from dockboard_registry.web.api.table import OPERATIONS
from tests.security.state import Unchanged, rows
from tests.security.test_matrix import NOBODY, REFUSED, VERBS, principals
from tests.support.http import Client
from tests.support.people import As, People, basic, bearer
from tests.support.server import Registry

HIDDEN = -404
ACME = ("acme", "none")
REPOSITORIES = ("acme%2Fpublic", "acme%2Fapp", "acme%2Fnone")
PATTERNS = ("acme%2Fpublic", "acme%2Fapp", "acme%2F**")
# Operation -> (who may, in the oracle's words; what its path names, each once for the braces).
ROWS = {
    "getOpenApi": ("everyone", [""]), "getAccount": ("logged in", [""]), "changeAccount": ("oneself", [""]),
    "setOwnPassword": ("own secrets", [""]),
    "listOwnTokens": ("oneself", [""]), "addOwnToken": ("own tokens", [""]), "revokeOwnToken": ("oneself", ["none"]),
    **dict.fromkeys(("listOwnSessions", "endOwnSessions", "getPreferences", "changePreferences"), ("oneself", [""])),
    "endOwnSession": ("oneself", ["1"]), **dict.fromkeys(("listSessions", "endSessions"), ("administrator", ["eve",
    "none"])),
    "listUsers": ("administrator", [""]), "addUser": ("secrets", [""]), "importUsers": ("secrets", [""]),
    "listOrganizations": ("logged in", [""]), "addOrganization": ("logged in", [""]),
    **dict.fromkeys(("getUser", "changeUser", "deleteUser", "listTokens", "revokeToken"), ("administrator", ["eve",
    "none"])),
    **dict.fromkeys(("setPassword", "resetPassword", "inviteUser", "mailReset", "mailInvitation"), ("secrets", ["eve",
    "none"])),
    "addToken": ("tokens", ["eve", "none"]),
    **dict.fromkeys(("getOrganization", "listMembers", "listTeams", "getTeam", "listTeamMembers"), ("organization",
    ACME)),
    **dict.fromkeys(("deleteOrganization", "setMember", "removeMember", "addTeam", "deleteTeam", "addTeamMember",
    "removeTeamMember"), ("owner", ACME)),
    **dict.fromkeys(("listRobots", "getRobot", "changeRobot", "deleteRobot", "listRobotSecrets"), ("owner", ACME)),
    **dict.fromkeys(("addRobot", "rotateRobot"), ("owner's secrets", ACME)),
    **dict.fromkeys(("listRepositories", "search"), ("logged in", [""])), "getRepository": ("sees", REPOSITORIES),
    "changeRepository": ("admin", REPOSITORIES), "listRights": ("admin", REPOSITORIES),
    **dict.fromkeys(("listTags", "getTag", "getManifest", "compareImages"), ("pulls", REPOSITORIES)),
    "listStars": ("oneself", [""]), "removeHiddenStars": ("oneself", [""]), "listLately": ("logged in", [""]),
    "listUntagged": ("deletes", REPOSITORIES),
    "listComments": ("sees", REPOSITORIES), "getReadme": ("sees", REPOSITORIES),
    "setReadme": ("admin", REPOSITORIES), "removeComment": ("own or admin", REPOSITORIES),
    **dict.fromkeys(("starRepository", "unstarRepository", "addComment", "editComment"), ("user sees", REPOSITORIES)),
    "restoreOrganization": ("administrator", ["eve", "none"]),
    **dict.fromkeys(("deleteRepository", "deleteTag", "deleteManifest"), ("deletes", REPOSITORIES)),
    "getNamespace": ("owner", ACME), "changeNamespace": ("owner", ACME), "listNamespaceGrants": ("owner", ACME),
    "listNamespaceAudit": ("owner", ACME),
    "listGrants": ("administrator", [""]),
    "getQuota": ("owner", ACME), "changeQuota": ("administrator", ["bob", "none"]),
    "setGrant": ("pattern", PATTERNS), "removeGrant": ("pattern", PATTERNS), "explain": ("administrator", [""]),
    "listAudit": ("administrator", [""]),
    "register": ("everyone", [""]), "forgetPassword": ("everyone", [""]), "confirmPassword": ("everyone", [""]),
    "listRegistrations": ("administrator", [""]), "listInvitations": ("administrator", [""]),
    "addInvitation": ("secrets", [""]),
    **dict.fromkeys(("approveRegistration", "rejectRegistration", "unlockUser"), ("administrator", ["eve", "none"])),
    "revokeInvitation": ("administrator", ["1"]),
    "listUploads": ("oneself", [""]), "dropUpload": ("oneself", ["0" * 32]),
    **dict.fromkeys(("getHealth", "listJobs", "listSettings"), ("administrator", [""])),
    "runJob": ("administrator", ["collect", "none"]),
    "exportAudit": ("administrator", [""]), "rotateSigningKey": ("administrator", [""]),
}  # fmt: skip
# The names that follow the first one of a path.
OTHERS = {
    "user": "eve",
    "token": "none",
    "team": "dev",
    "robot": "ci",
    "holder": "user:eve",
    "tag": "v1",
    "digest": f"sha256:{'0' * 64}",
    "comment": "1",
}
QUERY = {
    "explain": "who=eve&action=pull",
    "search": "q=app",
    "compareImages": "from=v1&to=v1",
    "getManifest": "nothing=1",
}
# Signed tokens of the token server are for images.
OUT = REFUSED | {"administrator's bearer", "owner's bearer", "member's bearer", "anonymous bearer"}
PASSWORDS = {"administrator with password", "stranger with password"}
ADMINISTRATORS = {
    "administrator",
    "administrator with password",
    "administrator by Bearer",
    "administrator's token to admin",
}
OWNERS = {"owner", "owner's token to admin"}
TO_ADMIN = {"owner's token to admin", "administrator's token to admin"}
ROBOTS = {"robot", "robot by Bearer"}
SCOPED = {
    "owner's token to pull",
    "owner's token elsewhere",
    "owner's token to admin",
    "administrator's token to admin",
    "administrator's token in acme",
}
# Tokens that are for no action of the administration, or for some repositories only.
NARROW = {"owner's token to pull", "owner's token elsewhere", "administrator's token in acme"}


def may(who: str, needs: str, name: str) -> str:
    """yes, no, or hidden: whether who is logged in may, by words."""
    if needs in ("everyone", "logged in"):
        return "yes"
    if needs in ("own tokens", "tokens"):
        return "yes" if who in PASSWORDS and (needs == "own tokens" or who in ADMINISTRATORS) else "no"
    if needs in ("oneself", "own secrets"):
        return "no" if who in NARROW | ROBOTS or (needs == "own secrets" and who in SCOPED) else "yes"
    if needs in ("administrator", "secrets"):
        return "yes" if who in ADMINISTRATORS and (needs == "administrator" or who not in SCOPED) else "no"
    if needs == "owner's secrets":
        rights = may(who, "owner", name)
        return "no" if rights == "yes" and who in SCOPED else rights
    if needs == "own or admin":
        return "yes" if may(who, "admin", name) == "yes" else may(who, "user sees", name)
    if needs == "user sees":
        return "no" if may(who, "oneself", name) == "no" else may(who, "sees", name)
    if needs == "pulls":
        return "no" if who in TO_ADMIN and not name.endswith("public") else may(who, "sees", name)
    if needs == "deletes" and who in TO_ADMIN:
        return "no"
    if who in ADMINISTRATORS:
        return "yes"
    if needs in ("sees", "admin", "pattern", "deletes"):
        return of_repository(who, needs, name)
    if name == "none":
        return "hidden"
    if who in OWNERS:
        return "yes"
    return "hidden" if who != "member" else "yes" if needs == "organization" else "no"


def of_repository(who: str, needs: str, name: str) -> str:
    if name.endswith("**"):
        return "yes" if who in OWNERS else "no" if who == "member" else "hidden"
    if who in OWNERS or who in ("right admin", "administrator's token in acme"):
        return "yes"
    everything = who in ("member", "writer", "owner's token to pull") or who in ROBOTS
    if everything or name.endswith("public"):
        return "yes" if needs == "sees" else "no"
    return "hidden"


def oracle(who: str, verb: str, needs: str, name: str) -> set[int]:
    if needs == "everyone":
        return {200 if verb == "GET" else 400}
    if who in OUT or who in NOBODY:
        return {401}
    return {"yes": {200, 400, HIDDEN} if name.endswith("none") else {200, 400}, "no": {403}, "hidden": {HIDDEN}}[
        may(who, needs, name)
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(registry, what each principal shows)"""
    root = tmp_path_factory.mktemp("matrix")
    with Registry(root / "data", 1, auth_anonymous="pull", log_access="false") as registry:
        with Client(registry.address) as client:
            registry.stop()
            registry.configure(auth_anonymous="push")
            registry.start()
            for name in ("acme/public", "acme/app"):
                client.push_image(name, "v1")
        people = People(registry)
        shown = principals(people)
        people.command("team", "add", "acme", "dev")
        # One user may make so many changes at once, so there is another owner.
        people.add("gus")
        people.command("org", "member", "add", "acme", "gus", "--role", "owner")
        shown["administrator with password"] = basic("ann")
        shown |= {f"{name} by Bearer": bearer(secret_of(shown[name])) for name in ("administrator", "robot")}
        for words, user, more in (
            ("owner's token to admin", "gus", ("--actions", "admin")), ("administrator's token to admin", "ann",
            ("--actions", "admin")),
            ("administrator's token in acme", "ann", ("--repositories", "acme/**")),
        ):  # fmt: skip
            shown[words] = basic(
                user, people.command("token", "add", user, "--name", f"{user}-api-{len(shown)}", *more)
            )
        for header in shown.values():
            As(registry.address, header).get(
                "/v2/"
            )  # the hash of a password that was taken over is replaced at the first login
        yield registry, shown


def secret_of(header: dict) -> str:
    return base64.b64decode(header["Authorization"].split()[1]).decode().partition(":")[2]


def test_every_operation_has_a_row():
    assert {operation.id for operation in OPERATIONS} == set(ROWS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS) == len(ROWS)


def paths(operation, name: str) -> str:
    """The operation's path with these names, and what else it needs to be answered; a
    change is not to be understood.
    """
    first, *others = [*operation.names, ""]
    found = operation.path.replace("{" + first + "}", name)
    for other in others:
        found = found.replace("{" + other + "}", OTHERS.get(other, ""))
    query = QUERY.get(operation.id, "") if operation.method == "GET" else "nothing=1"
    return f"/api/v1{found}{'?' + query if query else ''}"


def asked(client, method: str, path: str):
    """The answer. One user may make so many changes, and then one a second."""
    while (answer := client.request(method, path)).status == 429:
        time.sleep(int(answer.headers["Retry-After"]))
    return answer


def test_everybody_is_answered_as_the_rules_say(world):
    registry, shown = world
    wrong, cells = [], 0
    with Unchanged(registry):
        for who, header in shown.items():
            with As(registry.address, header) as client:
                for operation in OPERATIONS:
                    needs, names = ROWS[operation.id]
                    for name in names:
                        answer = asked(client, operation.method, paths(operation, name))
                        found = HIDDEN if answer.status == 404 and answer.code() == "NAME_UNKNOWN" else answer.status
                        cells += 1
                        if (
                            found not in oracle(who, operation.method, needs, name)
                            or answer.headers["Cache-Control"] != "no-store"
                        ):
                            wrong.append((who, operation.id, name, found))
    assert wrong == [], f"{len(wrong)} of {cells}"
    assert cells >= len(OPERATIONS) * len(shown)


def test_every_path_has_its_verbs_and_no_others(world):
    registry, shown = world
    methods: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        methods.setdefault(operation.path, set()).add(operation.method)
    with Unchanged(registry):
        for header in (shown["administrator"], shown["stranger"], {}):
            with As(registry.address, header) as client:
                for operation in OPERATIONS:
                    known = methods[operation.path] | ({"HEAD"} if "GET" in methods[operation.path] else set())
                    for verb in sorted(set(VERBS) - known):
                        answer = client.request(verb, paths(operation, ROWS[operation.id][1][0])).expect(405)
                        assert set(answer.headers["Allow"].split(", ")) == known


def test_what_is_hidden_answers_like_what_is_not_there(world):
    """Each header and the whole body, but for the name that was asked for."""
    registry, shown = world

    def bare(answer, name: str) -> tuple:
        headers = sorted((key, value) for key, value in answer.headers.items() if key not in ("Date", "X-Request-Id"))
        return (
            answer.status,
            headers,
            answer.body.replace(name.encode(), b"NAME").replace(unquote(name).encode(), b"NAME"),
        )

    with As(registry.address, shown["stranger"]) as eve:
        for operation in OPERATIONS:
            for there, missing in (("acme", "none"), ("acme%2Fapp", "acme%2Fnot")):
                if there in ROWS[operation.id][1]:
                    found = [
                        bare(eve.request(operation.method, paths(operation, name)), name) for name in (there, missing)
                    ]
                    # What is for administrators alone is refused, whatever is there.
                    assert found[0] == found[1] and found[0][0] == (
                        403 if ROWS[operation.id][0] == "administrator" else 404
                    ), operation.id


def test_no_secret_is_kept_as_it_is(world):
    registry, shown = world
    kept = repr(rows(registry))
    for who in ("administrator", "robot", "owner's token to admin"):
        assert secret_of(shown[who]) not in kept
