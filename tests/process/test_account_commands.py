"""The commands on accounts, as an operator types them: what they print, refuse and leave behind, beside a running
server. What the domain does and refuses is tested in tests/contract/domain; a command takes half a second, so there is
no more of them here than words.
"""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess

import pytest

from tests.support.http import Client
from tests.support.people import As, basic
from tests.support.server import Registry

PASSWORD = "staple battery horse"
SECRET = re.compile(r"db[rk]_[0-9A-Za-z]{46}\n")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A running registry with a repository that everyone pushed to."""
    root = tmp_path_factory.mktemp("accounts") / "data"
    with Registry(root, 1) as registry:
        with Client(registry.address) as client:
            client.push_image("acme/app", "v1", [b"layer"])
        said(
            registry,
            "user",
            "add",
            "ann",
            "--admin",
            "--email",
            "ann@example.org",
            "--password-stdin",
            stdin=PASSWORD + "\n",
        )
        said(registry, "user", "import", "--htpasswd", htpasswd(root.parent, "bob", "cid"))
        yield registry


def htpasswd(directory, *names: str) -> str:
    (directory / "people").write_text("".join(f"{name}:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n" for name in names))
    return str(directory / "people")


def ran(registry: Registry, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
    """One command, with this on its standard input."""
    return registry.prepare(*arguments, given=stdin)


def said(registry: Registry, *arguments: str, stdin: str = "", status: int = 0) -> str:
    """What a command prints that goes well."""
    done = ran(registry, *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (status, ""), done
    return done.stdout


def refused(registry: Registry, *arguments: str, stdin: str = "") -> str:
    """The sentence on standard error of a command that must fail."""
    done = ran(registry, *arguments, stdin=stdin)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr, done
    return done.stderr


def listed(registry: Registry, *arguments: str) -> list[dict]:
    return json.loads(said(registry, *arguments, "--json"))


def test_people(registry):
    assert [
        (user["name"], user["state"], user["administrator"], user["email"]) for user in listed(registry, "user", "list")
    ] == [
        ("ann", "active", True, "ann@example.org"),
        ("bob", "active", False, None),
        ("cid", "active", False, None),
    ]
    head, first, *_ = said(registry, "user", "list").splitlines()
    assert head.split() == ["name", "state", "administrator", "email", "created", "last_seen"]
    assert re.fullmatch(r"ann +active +yes +ann@example.org +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +-", first)
    assert said(registry, "user", "disable", "cid") == ""
    said(registry, "user", "enable", "cid")
    said(registry, "user", "promote", "cid")
    said(registry, "user", "demote", "cid")
    said(registry, "user", "passwd", "cid", "--password-stdin", stdin="another battery horse")
    said(registry, "user", "delete", "cid")
    assert "last administrator" in refused(registry, "user", "delete", "ann")
    assert "there is no user nobody" in refused(registry, "user", "disable", "nobody")


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [("token", PASSWORD, "reserved"), ("ann", PASSWORD, "taken"), ("dan", "password1234", "guessed")],
)
def test_accounts_that_are_refused(registry, name, password, words):
    answer = refused(registry, "user", "add", name, "--password-stdin", stdin=password)
    assert words in answer and answer.startswith("registry: ") and answer.count("\n") == 1 and password not in answer


def test_a_password_is_never_an_argument_and_never_guessed(registry):
    assert "--password-stdin" in refused(registry, "user", "add", "dan")
    assert "unrecognized arguments" in refused(registry, "user", "add", "dan", "--password", PASSWORD)


def test_at_a_terminal_the_password_is_asked_twice(registry):
    main, terminal = pty.openpty()
    command = [*registry._command, "user", "passwd", "bob"]
    # In a session of its own there is no /dev/tty: what is asked goes to standard error.
    process = subprocess.Popen(
        command, env=registry.environment(), stdin=terminal, stderr=subprocess.PIPE, start_new_session=True
    )
    os.close(terminal)
    for question, answer in ((b"Password: ", PASSWORD), (b"\nThe same once more: ", "another battery horse")):
        asked = b""
        while not asked.endswith(question):
            asked += os.read(process.stderr.fileno(), 1)
        os.write(main, answer.encode() + b"\n")
    _, words = process.communicate(timeout=60)
    os.close(main)
    assert process.returncode == 2 and b"not the same" in words


def test_invitations_and_resets_print_a_token(registry):
    first = said(registry, "user", "invite", "eve", "--email", "eve@example.org")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", first)
    assert said(registry, "user", "invite", "eve") != first
    assert "taken" in refused(registry, "user", "invite", "bob")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", said(registry, "user", "reset", "bob"))


def test_invitations_are_for_accounts_that_people_make_themselves(registry):
    assert re.fullmatch(
        r"[A-Za-z0-9_-]{43}\n", said(registry, "invitation", "add", "--email", "fay@example.org", "--expires", "2d")
    )
    (found,) = listed(registry, "invitation", "list")
    assert (found["state"], found["email"], found["made_by"]) == ("open", "fay@example.org", "console")
    assert 0 < found["expires_at"] - found["created_at"] - 2 * 86400_000 + 60_000 < 120_000
    said(registry, "invitation", "revoke", str(found["id"]))
    assert listed(registry, "invitation", "list") == []
    for word in ("approve", "reject"):
        assert "no account bob waits for approval" in refused(registry, "user", word, "bob")
    said(registry, "user", "unlock", "bob")


def test_a_profile(registry):
    said(
        registry,
        "user",
        "set",
        "bob",
        "--company",
        "Acme",
        "--full-name",
        "Bob B.",
        "--url",
        "https://example.org",
        "--avatar-hash",
        "0" * 64,
    )
    assert "web page" in refused(registry, "user", "set", "bob", "--url", "javascript:alert(1)")
    assert "nothing to change" in refused(registry, "user", "set", "bob")
    with As(registry.address, basic("ann", said(registry, "token", "add", "ann", "--name", "reader").strip())) as ann:
        found = ann.get("/api/v1/users/bob").expect(200).json()
    assert (found["company"], found["full_name"], found["url"], found["location"], found["avatar_hash"]) == (
        "Acme",
        "Bob B.",
        "https://example.org",
        None,
        "0" * 64,
    )


def test_what_was_pushed_is_deleted_when_somebody_says_yes(registry):
    with (
        Client(registry.address) as client,
        As(registry.address, basic("ann", said(registry, "token", "add", "ann", "--name", "deleter").strip())) as ann,
    ):
        del client
        digest = ann.push_image("library/gone", "v1", [b"layer"])
        ann.push_image("library/gone", "v2", [b"layer"])
        done = ran(registry, "tag", "delete", "library/gone:v2", stdin="n\n")
        assert (
            done.returncode == 2
            and f"v2 of library/gone points to {digest}" in done.stderr
            and "nothing was deleted" in done.stderr
        )
        assert "--yes" in refused(registry, "manifest", "delete", f"library/gone@{digest}")
        ann.get("/v2/library/gone/manifests/v2").expect(200)
        done = ran(registry, "tag", "delete", "library/gone:v2", stdin="y\n")
        assert (done.returncode, done.stdout) == (0, "")
        ann.get("/v2/library/gone/manifests/v2").expect(404)
        said(registry, "manifest", "delete", f"library/gone@{digest}", "--yes")
        ann.get(f"/v2/library/gone/manifests/{digest}").expect(404)
        index = ann.push_image("library/gone", "v3", [b"layer"])
        done = ran(registry, "repository", "delete", "library/gone", stdin="yes\n")
        assert done.returncode == 0 and "1 tag, 1 manifest" in done.stderr
        ann.get("/v2/library/gone/tags/list").expect(404)
        assert index == digest
    for words in (
        ("tag", "delete", "library/gone"),
        ("tag", "delete", "a:b/c"),
        ("manifest", "delete", "library/gone"),
        ("manifest", "delete", "library/gone@v1"),
        ("repository", "delete", "No"),
    ):
        assert "Traceback" not in refused(registry, *words, "--yes")
    for words in (
        ("tag", "delete", "library/gone:v1"),
        ("manifest", "delete", f"library/gone@{digest}"),
        ("repository", "delete", "library/gone"),
    ):
        refused(registry, *words, "--yes")
    events = [
        (event["action"], event["actor"], event["detail"])
        for event in map(
            json.loads, said(registry, "audit", "--json", "--object", "repository library/gone").splitlines()
        )
    ]
    assert ("repository.delete", "console", {"tags": 1, "manifests": 1}) in events and (
        "tag.delete",
        "console",
        {"tag": "v2", "digest": digest},
    ) in events


def test_an_invitation_that_can_not_be_sent_leaves_no_account(registry):
    before = listed(registry, "user", "list")
    assert "mail.host" in refused(registry, "user", "invite", "gus", "--email", "gus@example.org", "--mail")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        settings = {
            "MAIL_HOST": "127.0.0.1",
            "MAIL_PORT": str(nobody.getsockname()[1]),
            "MAIL_TLS": "none",
            "MAIL_SENDER": "registry@example.com",
        }
        environment = {**registry.environment(), **{f"DOCKBOARD_{name}": value for name, value in settings.items()}}
        nobody.close()
        for words, expected in (((), "--email"), (("--email", "gus@example.org"), "mail could not be sent")):
            command = [*registry._command, "user", "invite", "gus", "--mail", *words]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            assert (
                done.returncode == 2 and done.stdout == "" and expected in done.stderr and "Errno" not in done.stderr
            ), done
    assert listed(registry, "user", "list") == before
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", said(registry, "user", "invite", "gus", "--email", "gus@example.org"))
    said(registry, "user", "delete", "gus")


def test_a_secret_goes_into_a_file_that_is_there_whole_or_as_before(registry, tmp_path):
    file = tmp_path / "secret"
    assert said(registry, "token", "add", "ann", "--name", "filed", "--output", str(file)) == ""
    assert SECRET.fullmatch(file.read_text()) and file.stat().st_mode & 0o777 == 0o600
    kept = file.read_text()
    assert "filed" in refused(registry, "token", "add", "ann", "--name", "filed", "--output", str(file))
    for words in (
        ["--output", str(tmp_path)],
        ["--output", "/dev/null"],
        ["--output", str(tmp_path / "none" / "secret")],
    ):
        assert f"{words[1]!a}" in refused(registry, "token", "add", "ann", "--name", "unfiled", *words), (
            "it names what was said"
        )
    assert file.read_text() == kept and sorted(tmp_path.iterdir()) == [file]
    assert [token["name"] for token in listed(registry, "token", "list", "ann")].count("unfiled") == 0


def test_arguments_that_are_no_text_are_refused_in_words(registry):
    for words in (
        ["user", "set", "bob", "--full-name", b"B\xe4r"],
        ["user", "disable", b"b\xe4r"],
        ["repository", "set", "acme/app", "--description", b"\xff"],
    ):
        done = subprocess.run([*registry._command, *words], env=registry.environment(), capture_output=True, timeout=60)
        assert done.returncode == 2 and b"not UTF-8 text" in done.stderr and b"Traceback" not in done.stderr, done


def test_a_file_that_is_not_there_is_named_without_a_number(registry, tmp_path):
    assert (
        refused(registry, "user", "import", "--htpasswd", str(tmp_path / "none"))
        == f"registry: {tmp_path}/none: No such file or directory\n"
    )


def test_without_a_mail_server_no_token_is_sent(registry):
    assert "mail.host" in refused(registry, "user", "reset", "bob", "--mail")


def test_an_import_says_what_it_refused(registry, tmp_path):
    done = ran(registry, "user", "import", "--htpasswd", htpasswd(tmp_path, "fay", "ann", "G\x1bus"))
    assert done.returncode == 1 and done.stdout == "1 account made, 2 refused\n"
    assert ":2: 'ann': the name ann is taken" in done.stderr and ":3: 'G\\x1bus':" in done.stderr


def explained(registry: Registry, *question: str) -> bool:
    done = ran(registry, "explain", *question, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["allowed"] else 1) and answer["steps"][-1] == answer["reason"]
    return answer["allowed"]


def test_what_others_wrote_does_nothing_to_the_terminal(registry):
    """Whoever administers a repository says what it is; who lists all of them may be root."""
    said(registry, "repository", "set", "acme/app", "--description", "An \x1b]0;app\x07\u202e\nsecond line \u00e4")
    shown = said(registry, "repository", "list")
    assert r"An \x1b]0;app\x07\u202e\nsecond line" in shown and "\u00e4" in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_the_audit_says_who_did_what(registry):
    said(registry, "org", "add", "audited", "--owner", "ann")
    said(registry, "org", "delete", "audited", "--yes")
    lines = [json.loads(line) for line in said(registry, "audit", "--json", "--object", "org audited").splitlines()]
    assert [(event["action"], event["actor"], event["address"]) for event in lines] == [
        ("org.delete", "console", f"uid {os.getuid()}"),
        ("org.add", "console", f"uid {os.getuid()}"),
    ]
    assert len(said(registry, "audit", "--limit", "1", "--since", "1d").splitlines()) == 2
    for limit in ("0", "-3", "x"):
        assert "not a number of 1 or more" in refused(registry, "audit", f"--limit={limit}")


def test_a_word_that_is_not_complete_shows_what_may_follow(registry):
    for words in (["user"], ["org", "member"]):
        done = ran(registry, *words)
        assert (
            done.returncode == 2
            and done.stderr.startswith(f"usage: registry {' '.join(words)} ")
            and "list" in done.stderr
        )
    assert "--right" in said(registry, "grant", "add", "--help")


def test_the_running_server_asks_for_an_account_from_now_on(registry):
    with Client(registry.address) as client:
        client.request("POST", "/v2/ann/later/blobs/uploads/").expect(401)
    secret = said(registry, "token", "add", "ann", "--name", "pusher").strip()
    with As(registry.address, basic("ann", secret)) as ann:
        ann.push_image("ann/later", "v1", [b"layer"])
        assert ann.pull_image("ann/later", "v1") == [b"layer"]
    said(registry, "token", "rotate-key")
    found = {item["name"]: item["visibility"] for item in listed(registry, "repository", "list")}
    assert found["ann/later"] == "private"


def test_over_mysql_too(tmp_path):
    with Registry(tmp_path / "data", 1, database="mysql") as registry:
        said(registry, "user", "import", "--htpasswd", htpasswd(tmp_path, "bob"))
        said(registry, "org", "add", "acme", "--owner", "bob")
        assert explained(registry, "bob", "delete", "acme/app") is True
        assert [event.split()[2] for event in said(registry, "audit").splitlines()[1:]] == ["uid", "uid"]
