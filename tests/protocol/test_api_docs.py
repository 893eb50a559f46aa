"""The lines of docs/accounts.md on the API, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import tools
from tests.support.people import PASSWORD, People
from tests.support.server import Registry

DOCUMENT, CLIENTS = ((Path(__file__).parents[2] / "docs" / name).read_text() for name in ("accounts.md", "clients.md"))


def lines(found: str) -> list[str]:
    """The commands of the section on the API that are indented or fenced so."""
    section = re.search(r"^## The API\n(.*?)^## ", DOCUMENT, re.M | re.S)[1]
    return re.findall(found, section, re.M)


def shell(text: str, directory: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.edge
def test_the_lines_of_the_document_work(tmp_path):
    tools.need("curl")
    with Registry(tmp_path / "data", 1) as registry:
        People(registry).add("ann")
        People(registry).command("user", "promote", "ann")
        export, *commands = lines(r"^((?:export|curl) .*)$")
        assert len(commands) >= 14
        prepared = export.replace("https://registry.example.com", registry.url)
        for command in commands:
            done = shell(f"{prepared}; {command}", tmp_path, PASSWORD=PASSWORD)
            assert done.returncode == 0, (command, done.stderr)
        assert (tmp_path / "audit.jsonl").read_text().count('"user ann"') >= 8


@pytest.mark.edge
def test_the_line_for_the_first_user_works(tmp_path):
    tools.need("curl")
    with Registry(tmp_path / "data", 1) as registry:
        (command,) = lines(r"^    (curl .*)$")
        done = shell(
            command.replace("127.0.0.1:5000", registry.address).replace('"..."', '"correct horse battery"'), tmp_path
        )
        assert done.returncode == 0 and '"administrator": true' in done.stdout, done.stderr


@pytest.mark.edge
def test_the_blocks_of_both_documents_work_one_after_the_other(tmp_path):
    """As somebody copies them who begins with nothing: the secrets are in files that nobody else reads."""
    tools.need("curl")
    with Registry(tmp_path / "data", 1) as registry:
        program = tmp_path / "registry.pyz"
        program.write_text("#!/bin/sh\nexec " + " ".join(registry._command) + ' "$@"\n')
        program.chmod(0o755)
        environment = {**registry.environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        first, second = (
            blocks(text, heading)[0] for text, heading in ((DOCUMENT, "The first quarter of an hour"), (CLIENTS, ""))
        )
        own = blocks(CLIENTS, "Your own account")[0]
        api = next(block for block in blocks(DOCUMENT, "The API") if block.startswith("export"))
        assert "allowed" in worked(first, tmp_path, environment)
        passwords = {name: (tmp_path / f"{name}.password").read_text().strip() for name in ("ann", "bob")}
        worked(second, tmp_path, environment)
        for file in ("ann.password", "deploy.secret", "ci.secret", "laptop.secret"):
            assert (tmp_path / file).stat().st_mode & 0o077 == 0, file
        worked(
            api.replace("https://registry.example.com", registry.url),
            tmp_path,
            {**environment, "PASSWORD": passwords["ann"]},
        )
        told = worked(
            own.replace("https://registry.example.com", registry.url),
            tmp_path,
            {**environment, "PASSWORD": passwords["bob"], "ANOTHER": "another horse altogether"},
        )
        assert '"secret": "dbr_' in told
        kept = (tmp_path / "ci.secret").read_text()
        done = shell(second, tmp_path, **environment)
        assert done.returncode == 2 and (tmp_path / "ci.secret").read_text() == kept, (
            "a command that fails leaves the file"
        )
        assert sorted(path.name for path in tmp_path.glob(".*")) == []


def blocks(document: str, heading: str) -> list[str]:
    section = document.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] if heading else document
    return re.findall(r"^```sh\n(.*?)^```", section, re.S | re.M)


def worked(text: str, directory: Path, environment: dict[str, str]) -> str:
    done = shell(text, directory, **environment)
    assert done.returncode == 0, text + done.stdout + done.stderr
    return done.stdout
