"""References of a manifest in parts, without a database."""

from dockboard_registry.domain.content.references import FoundReferences
from dockboard_registry.names import digest_of


def test_a_part_has_neighbours_in_the_order_of_digests():
    digests = [digest_of("sha256", b"%d" % number) for number in range(250)]
    found = FoundReferences({digest: 1 for digest in digests[:150]}, {digest: 2 for digest in digests[150:]})
    parts = list(found.parts(100))
    assert [len(part.manifests) + len(part.blobs) for part in parts] == [100, 100, 50]
    assert [digest for part in parts for digest in part.blobs] == sorted(digests[150:])
    assert [digest for part in parts for digest in part.manifests] == sorted(digests[:150])
    assert {size for part in parts for size in part.manifests.values()} == {1}
