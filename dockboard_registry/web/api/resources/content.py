"""/repositories/NAME: deleting what was pushed: a tag, a manifest, or the whole repository."""

from ...auth.permissions import REPOSITORY_DELETES, REPOSITORY_GOES
from ..operations import Answer, Call, Operation

# Short transactions that the request waits for. The next round of the collector deletes the rest of a larger
# repository, which nobody sees any more.
_PIECES = 200


async def _delete_tag(call: Call) -> Answer:
    await call.services.tags.delete(call.path["repository"], call.path["tag"], call.actor)
    return Answer(204)


async def _delete_manifest(call: Call) -> Answer:
    await call.services.manifests.delete(call.path["repository"], call.path["digest"], call.actor)
    return Answer(204)


async def _delete(call: Call) -> Answer:
    await call.services.repository_deletion.delete(call.actor, call.path["repository"], _PIECES)
    return Answer(204)


_ONE = "/repositories/{repository}"
OPERATIONS = (
    Operation(
        "DELETE",
        _ONE,
        "deleteRepository",
        "Delete a repository with everything in it; grants that name it stay",
        REPOSITORY_GOES,
        _delete,
        204,
    ),
    Operation(
        "DELETE",
        f"{_ONE}/tags/{{tag}}",
        "deleteTag",
        "Delete a tag; the manifest stays",
        REPOSITORY_DELETES,
        _delete_tag,
        204,
    ),
    Operation(
        *(
            "DELETE",
            f"{_ONE}/manifests/{{digest}}",
            "deleteManifest",
            "Delete a manifest with its tags; not while an index needs it",
            REPOSITORY_DELETES,
        ),
        *(_delete_manifest, 204),
        **{"conflicts": True},
    ),
)
