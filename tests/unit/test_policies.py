"""The rights that `doctor storage` prints for each vendor."""

import json
import re
from pathlib import Path

import pytest

from dockboard_registry.config import kinds
from dockboard_registry.storage.doctor import policies

DOCUMENT = (Path(__file__).parents[2] / "docs/many-nodes.md").read_text()


def place(url: str):
    return kinds.ObjectStoreUrl().check(url)


def actions(document: object) -> set[str]:
    """All texts of lists in a policy."""
    if isinstance(document, dict):
        return set().union(*(actions(value) for value in document.values()))
    if isinstance(document, list):
        return {each for each in document if isinstance(each, str)}.union(*map(actions, document))
    return set()


def test_the_policy_in_the_document_is_that_of_the_program():
    (shown,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.S)
    assert json.loads(shown) == json.loads(policies.policy(place("s3://hub?region=eu-central-1")))


@pytest.mark.parametrize("kind", ["s3", "oss", "cos", "bos", "kodo"])
def test_a_policy_has_every_action_and_reaches_no_further_than_the_prefix(kind):
    text = policies.policy(place(f"{kind}://hub-1250000000/a/b?region=here"))
    wanted = {action for right in policies.ACTIONS[kind].values() for action in right.all}
    assert wanted <= actions(json.loads(text))
    assert text.count("hub-1250000000/a/b/*") == 1
    assert not any("*" in action for action in wanted)


def test_what_is_missing_is_said_in_the_words_of_the_vendor():
    assert policies.missing("s3", policies.UPLOADS) == "allow s3:ListBucketMultipartUploads for this key"
    cos = "allow name/cos:DeleteMultipleObjects and name/cos:DeleteObject for this key"
    assert policies.missing("cos", policies.DELETE) == cos
    assert "container" in policies.missing("swift", policies.WRITE)
