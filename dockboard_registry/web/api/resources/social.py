"""Stars, comments and READMEs of repositories."""

from typing import Any

from ....domain.access import rule
from ....domain.access.rule import ADMIN, PULL
from ....domain.explore.lists import ListedRepository
from ....domain.social import readmes
from ....domain.social.comments import MOST_BYTES, NEWEST, Comment
from ....domain.social.readmes import Readme
from ...auth.permissions import ONESELF, REMOVES_COMMENTS, REPOSITORY_ADMIN, SEES_REPOSITORY, USER_PULLS
from ..kinds import Choice, Record, Text
from ..operations import MOMENT, NAME, PAGE, PATH, Answer, Call, Operation, created, paged
from .images.facts import DIGEST
from .pages import after, page, size
from .repositories import REPOSITORY_ITEM, shown

_TEXT = Text(f"plain text; at most {MOST_BYTES} bytes in UTF-8", False, MOST_BYTES, 1)
_COMMENT = Record(
    "a comment; everyone who may pull the repository sees the name of its author",
    *(False, "Comment"),
    {
        "id": PATH["comment"],
        "author": NAME.said("null: the account was deleted").or_null(),
        "text": _TEXT,
        "created_at": MOMENT,
        "edited_at": MOMENT.or_null(),
    },
)
_COMMENT_TEXT = Record("", False, "CommentText", {"text": _TEXT})
_MARKDOWN = Text(
    f"Markdown; at most {readmes.MOST_BYTES} bytes in UTF-8; an empty text removes the README",
    *(False, 8 * readmes.MOST_BYTES),
)
_SOURCES = _WRITTEN, _BROUGHT = "repository", "image"
_README = Record(
    "",
    *(False, "Readme"),
    {
        "text": _MARKDOWN.said("Markdown; null: the repository has no README").or_null(),
        "source": Choice("repository: it was written here; image: the newest image brings it along", True, _SOURCES),
        "updated_at": MOMENT.said("when it was written here").or_null(),
        "referrer": DIGEST.said("the artifact that refers to the image and has the text").or_null(),
        "label": Text("the label that has the text", True, 255),
    },
)
_NEW_README = Record("", False, "ReadmeText", {"text": _MARKDOWN})
# JSON may need several times the bytes of the text: \u5b57 has six, and the character itself three.
_LONGEST_README = 6 * readmes.MOST_BYTES + 1024


async def _stars(call: Call) -> Answer:
    found = await call.people.stars.list(call.principal, after(call), size(call) + 1)
    return page(call, found, shown, _name)


def _name(repository: ListedRepository) -> str:
    return repository.name


async def _star(call: Call) -> Answer:
    await call.people.stars.add(call.actor, call.principal.id, call.path["repository"])
    return Answer(204)


async def _unstar(call: Call) -> Answer:
    await call.people.stars.remove(call.actor, call.principal.id, call.path["repository"])
    return Answer(204)


async def _remove_hidden_stars(call: Call) -> Answer:
    await call.people.stars.remove_hidden(call.actor, call.principal)
    return Answer(204)


def _shown_comment(comment: Comment) -> dict[str, Any]:
    return {name: getattr(comment, name) for name in _COMMENT.fields} | {"id": str(comment.id)}


async def _comments(call: Call) -> Answer:
    before = _id(call.query.get("after", str(NEWEST)))
    found = await call.people.comments.list(call.path["repository"], before, size(call) + 1)
    return page(call, found, _shown_comment, lambda comment: str(comment.id))


def _id(text: str) -> int:
    return min(int(text), NEWEST)


async def _add_comment(call: Call) -> Answer:
    name = call.path["repository"]
    made = await call.people.comments.add(call.actor, call.principal.id, name, call.body["text"])
    return created(_shown_comment(made), "repositories", name, "comments", str(made.id))


async def _edit_comment(call: Call) -> Answer:
    id, text = _id(call.path["comment"]), call.body["text"]
    edited = await call.people.comments.edit(call.actor, call.principal.id, call.path["repository"], id, text)
    return Answer(200, _shown_comment(edited))


async def _remove_comment(call: Call) -> Answer:
    name = call.path["repository"]
    facts = await call.services.principals.facts(name)
    any_author = rule.decide(call.principal, ADMIN, facts.object).allowed
    author = None if any_author else call.principal.id
    await call.people.comments.remove(call.actor, name, _id(call.path["comment"]), author)
    return Answer(204)


async def _readme(call: Call) -> Answer:
    name = call.path["repository"]
    object = (await call.services.principals.facts(name)).object
    # What an image brings along is content, which a token to the action admin alone does not show.
    if rule.decide(call.principal, PULL, object).allowed:
        found = await call.services.repository_pages.readme(name, call.principal)
    else:
        found = await call.people.readmes.get(name)
    shown: dict[str, Any] = dict.fromkeys(_README.fields)
    if isinstance(found, Readme):
        shown |= {**found._asdict(), "source": _WRITTEN}
    elif found is not None:
        shown |= {name: value or None for name, value in found._asdict().items()} | {"source": _BROUGHT}
    return Answer(200, shown)


async def _set_readme(call: Call) -> Answer:
    await call.people.readmes.set(call.actor, call.path["repository"], call.body["text"])
    return Answer(204)


_BEFORE = {**PAGE, "after": PATH["comment"].said("only comments that are older than the one with this id")}
_REPOSITORY = "/repositories/{repository}"
_STAR, _ALL, _ONE = "/account/stars/{repository}", f"{_REPOSITORY}/comments", f"{_REPOSITORY}/comments/{{comment}}"
OPERATIONS = (
    Operation(
        *("GET", "/account/stars", "listStars", "List the repositories that one starred and may pull", ONESELF, _stars),
        **{"answer": paged(REPOSITORY_ITEM), "query": PAGE},
    ),
    Operation(
        *("DELETE", "/account/hidden-stars", "removeHiddenStars"),
        *("Take away the stars on repositories that one may not pull any more", ONESELF, _remove_hidden_stars, 204),
    ),
    Operation("PUT", _STAR, "starRepository", "Star a repository", USER_PULLS, _star, 204, conflicts=True),
    Operation("DELETE", _STAR, "unstarRepository", "Take the star away", USER_PULLS, _unstar, 204),
    Operation(
        *("GET", _ALL, "listComments", "List comments, the newest first", SEES_REPOSITORY, _comments),
        **{"answer": paged(_COMMENT), "query": _BEFORE},
    ),
    Operation(
        *("POST", _ALL, "addComment", "Write a comment", USER_PULLS, _add_comment, 201, _COMMENT, _COMMENT_TEXT),
        **{"conflicts": True},
    ),
    Operation(
        *("PATCH", _ONE, "editComment", "Change a comment of one's own", USER_PULLS, _edit_comment),
        **{"answer": _COMMENT, "body": _COMMENT_TEXT},
    ),
    Operation("DELETE", _ONE, "removeComment", "Remove a comment", REMOVES_COMMENTS, _remove_comment, 204),
    Operation(
        *(
            "GET",
            f"{_REPOSITORY}/readme",
            "getReadme",
            "The README of a repository, or of its newest image",
            SEES_REPOSITORY,
            _readme,
        ),
        **{"answer": _README},
    ),
    Operation(
        *("PUT", f"{_REPOSITORY}/readme", "setReadme", "Write the README", REPOSITORY_ADMIN, _set_readme, 204),
        **{"body": _NEW_README, "longest": _LONGEST_README},
    ),
)
