"""The OCI distribution conformance suite, newest generation, from outside: its binary against a running registry.

The bar is that every row passes: a failure, an error and a skip (the suite saw a permitted fallback) all count against
us. What the older v1.1.1 suite asks beyond it has tests of its own.
"""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import pytest

from tests.support.deployments import MAKERS
from tests.support.server import Registry
from tests.support.tools import tool

SUITE = "OCI Conformance Test"
# Below what either version counts (about 860 and 980), far above a run that stopped at its start.
LEAST = 800
# Upload cancel with each digest algorithm: `stable` does not ask for it, and its rows look like skipped ones.
DISABLED = {"stable": 2, "dev": 0}
SECONDS = 110


@dataclass(frozen=True)
class Row:
    """One check of the suite that did not pass."""

    name: str
    status: str
    reason: str

    def __str__(self) -> str:
        return f"{self.status}: {self.name}\n    {self.reason}"


@dataclass(frozen=True)
class Outcome:
    """What the suite counted, by its own words in junit.xml, and the rows that did not pass."""

    counts: dict[str, int]
    rows: list[Row]

    def __str__(self) -> str:
        shown = [str(row) for row in self.rows[:40]]
        return "\n".join([str(self.counts), *shown])


def run_suite(directory, address, version, **settings) -> Outcome:
    """Run the suite against the registry at `address`. Settings are the suite's own, without OCI_."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OCI_")},
        **{f"OCI_{name}": value for name, value in settings.items()},
        "OCI_VERSION": version,
        "OCI_REGISTRY": address,
        "OCI_TLS": "disabled",
        "OCI_REPO1": "conformance/one",
        "OCI_REPO2": "conformance/two",
        "OCI_RESULTS_DIR": str(directory / "results"),
        "OCI_LOG": "error",
    }
    done = subprocess.run(
        [str(tool("conformance"))], env=environment, cwd=directory, capture_output=True, text=True, timeout=SECONDS
    )
    report = directory / "results" / "junit.xml"
    assert report.is_file(), f"exit status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return outcome(ElementTree.parse(report).getroot())


def outcome(root: ElementTree.Element) -> Outcome:
    """Read junit.xml."""
    suite = root.find("testsuite")
    assert suite is not None
    # A count of nothing is left out.
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped", "disabled")}
    cases = [case for case in suite.iter("testcase") if case.get("status") != "passed"]
    reasons = [(case.findtext("system-out") or "").strip() for case in cases]
    rows = [
        Row(case.get("name", ""), case.get("status", ""), reason) for case, reason in zip(cases, reasons, strict=True)
    ]
    return Outcome(counts, rows)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["stable", "dev"])
@pytest.mark.parametrize(("kind", "workers"), [("sqlite", 1), ("sqlite", 4), ("mysql-2-nodes", 1)])
def test_every_row_passes(tmp_path, version, kind, workers):
    with MAKERS[kind](tmp_path / "data", workers=workers) as registry:
        found = run_suite(tmp_path, registry.address, version)
        log = registry.log.read_text()
        checked = registry.prepare("check")
    bad = {name: found.counts[name] for name in ("failures", "errors", "skipped")}
    assert bad == {"failures": 0, "errors": 0, "skipped": 0}, str(found)
    assert found.counts["disabled"] == DISABLED[version], str(found)
    assert found.counts["tests"] >= LEAST, str(found)
    assert "Traceback" not in log, log[-4000:]
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_manifests_over_content_that_was_never_pushed_are_refused(tmp_path):
    """The suite's optional rows on sparse images and indexes: we answer 400, and only those rows notice."""
    with Registry(tmp_path / "data") as registry:
        found = run_suite(tmp_path, registry.address, "dev", DATA_SPARSE="true")
    sparse = f"{SUITE}/sparse/"
    assert not [row for row in found.rows if not row.name.startswith(sparse)], str(found)
    refused = [row for row in found.rows if row.name.startswith(f"{sparse}push/manifest-by-")]
    assert refused, str(found)
    assert all("received 400" in row.reason for row in refused), str(found)
