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

DOCUMENT = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text()


def lines(found: str) -> list[str]:
    """The commands of the section on the API that are indented or fenced so."""
    section = re.search(r"^## The API\n(.*?)^## ", DOCUMENT, re.M | re.S)[1]
    return re.findall(found, section, re.M)


def shell(text: str, directory: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


@pytest.mark.edge
def test_the_lines_of_the_document_work(tmp_path):
    tools.need("curl")
    with Registry(tmp_path / "data", 1) as registry:
        People(registry).add("ann")
        People(registry).command("user", "promote", "ann")
        (export, *commands) = lines(r"^((?:export|curl) .*)$")
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
        done = shell(command.replace("127.0.0.1:5000", registry.address).replace('"..."', '"correct horse battery"'), tmp_path)
        assert done.returncode == 0 and '"administrator": true' in done.stdout, done.stderr
