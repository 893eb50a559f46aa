"""What docs/limits.md has to say about each limit: the value that the program has, written as the page writes it."""

import re

from dockboard_registry import account_services, config, disk, durations, names
from dockboard_registry.cli import moving
from dockboard_registry.db import pool
from dockboard_registry.db.mysql import database as mysql
from dockboard_registry.db.sqlite import connection as sqlite
from dockboard_registry.domain import attached_packages, namespace_audit, sorted_list
from dockboard_registry.domain.access import patterns
from dockboard_registry.domain.accounts import invitations, organizations, profiles, registration, robots, teams
from dockboard_registry.domain.content import (
    documents,
    json_limits,
    long_work,
    manifests,
    references,
    referrers,
    untagged,
)
from dockboard_registry.domain.credentials import (
    access_tokens,
    imported_hashes,
    one_time,
    passwords,
    resets,
    sessions,
    signed_tokens,
    throttle,
)
from dockboard_registry.domain.explore import client_search, lately, nearest, newest_layers, page_search, search, terms
from dockboard_registry.domain.inspection import (
    artifacts,
    attached,
    image_config,
    image_readme,
    manifest_content,
    own_sizes,
    sboms,
    tag_list,
)
from dockboard_registry.domain.moving import switch
from dockboard_registry.domain.rights import grants, repository_settings
from dockboard_registry.domain.social import categories, comments, deprecation, readmes, stars
from dockboard_registry.domain.uploads import open_uploads
from dockboard_registry.domain.v1 import images as v1_images
from dockboard_registry.http import budget, connection, limits, messages
from dockboard_registry.http.bodies import chunks
from dockboard_registry.server import log_writer, logs
from dockboard_registry.storage import calls
from dockboard_registry.storage.objects import parts
from dockboard_registry.storage.objects import storage as objects
from dockboard_registry.web import conditions, endpoint, token_server
from dockboard_registry.web.api import operations
from dockboard_registry.web.api.resources import oversight, social
from dockboard_registry.web.markdown import links, rendered, thread, work
from dockboard_registry.web.ui.pages import tags as ui_tags
from dockboard_registry.web.ui.pages import untagged as ui_untagged
from dockboard_registry.web.ui.pages.namespace import changes as ui_changes
from dockboard_registry.web.ui.pages.shared import listing
from dockboard_registry.web.v1 import search as v1_search
from dockboard_registry.web.v2 import manifests as pushed

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def number(count: int) -> str:
    return f"{count:,}"


def size(count: int) -> str:
    """The size in the largest unit that it is a whole number of."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count:,} bytes"


def span(seconds: float) -> str:
    """The time in the largest unit that it is a whole number of."""
    unit, factor = next((unit, factor) for unit, factor in _UNITS if seconds % factor == 0)
    count = int(seconds // factor)
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"


def rate(at_once: int, seconds: float) -> str:
    return f"{at_once} at once, then {1 / seconds:.0f} a second"


def default(key: str) -> float:
    """The default of an option, as the program uses it."""
    return config.OPTIONS[key].field.default


def _longest_tag() -> int:
    return int(re.search(r"\{0,(\d+)\}", names.TAG_GRAMMAR)[1]) + 1


def _most_sessions_of_one_client() -> int:
    limit, own = int(default("server.open_uploads")), 0
    while own < open_uploads.share(limit, own):
        own += 1
    return own


LIMITS = {
    "name of a repository": f"{number(names.NAME_LIMIT)} characters",
    "tag": f"{_longest_tag()} characters",
    "media type": f"{names._MEDIA_TYPE_LIMIT} characters",
    "name of a user, organization, team, robot account or access token": f"{names.SHORTEST_ACCOUNT} to"
    f" {names.LONGEST_ACCOUNT} characters",
    "pattern": f"{names.NAME_LIMIT} characters, {patterns._MOST_STARS} `*`",
    "description of a repository": f"{number(repository_settings.MOST_DESCRIPTION)} characters",
    "field of a profile": f"{profiles.LONGEST_SHOWN} characters; e-mail address {profiles.LONGEST_EMAIL}; URL"
    f" {number(profiles.LONGEST_URL)}",
    "password": f"{passwords.SHORTEST} characters to {number(passwords.MOST_BYTES)} bytes",
    "URL": size(limits._URL_BYTES),
    "fields of a query": number(messages._QUERY_FIELDS),
    "header": f"{limits._HEADER_FIELDS} fields, {size(limits._HEADER_BYTES)}",
    "`Range` field": f"{size(limits._RANGE_BYTES)} beyond those",
    "header that is still read": size(connection.HEADER_LIMIT),
    "ranges of one request": number(conditions.MOST_RANGES),
    "lines of a chunked body": f"{size(chunks.LINE_LIMIT)} each, {size(chunks._MOST)} in all",
    "time for a header": span(default("server.header_timeout")),
    "time between two requests": span(default("server.idle_timeout")),
    "slowness of a body or an answer": f"{size(connection._RATE)} a second, over {default('server.body_timeout'):.0f}"
    " seconds",
    "memory for slow clients": f"{size(budget.LIMIT)} for each worker",
    "manifest": size(documents.SIZE_LIMIT),
    "layers of an image": number(documents._LAYERS),
    "manifests of an index": number(documents._CHILDREN),
    "commas, colons and brackets of a manifest": number(json_limits.MOST_VALUES),
    "nesting of a manifest": f"{documents._DEPTH} levels",
    "missing digests in one answer": number(references._NAMED),
    "tags of one push": f"{pushed._TAGS} tags, {number(pushed._TAG_BYTES)} bytes",
    "long manifests that wait": f"{size(long_work._MOST_BYTES)} for each worker",
    "open upload sessions": number(int(default("server.open_uploads"))),
    "open upload sessions of one client": f"{_most_sessions_of_one_client()} of"
    f" {number(int(default('server.open_uploads')))}",
    "body of a POST that starts an upload": "0 bytes",
    "age of an upload without bytes": span(default("gc.empty_upload_expiry")),
    "age of an upload that does not go on": span(default("gc.upload_expiry")),
    "blob that no manifest refers to": span(default("gc.lease")),
    "free room on the disk": f"{disk._RESERVE_SHARE * 100:.0f} %, at most {size(disk._RESERVE_MOST)}",
    "bytes of a namespace": "no limit" if default("auth.quota_bytes") == 0 else "",
    "repositories of a namespace": "no limit" if default("auth.quota_repositories") == 0 else "",
    "garbage of a namespace with a quota": "as much again as the quota",
    "memory of pushes to an object store": f"{size(objects._MEMORY)} for each worker, half of it for one client",
    "parts of an upload to an object store": f"{number(parts._SIZES[-1][0])}, together 328 GiB",
    "parts of one length": f"{number(parts._SIZES[-1][0])} of {size(parts.LEAST)}, together 48 GiB",
    "time for which pushes wait while the blobs get another store": span(switch._FROZEN),
    "blobs that copy-storage copies at once": number(moving.MOST_AT_ONCE),
    "calls to a store on the network": f"{calls._MOST} for each worker",
    "time of a short call to a store on the network": span(calls._ANSWER_SECONDS),
    "time that a write waits for SQLite": span(sqlite.BUSY_MS / 1000),
    "time that work waits for MySQL": span(mysql._PATIENCE),
    "page of tags or of the catalog": f"{number(endpoint._PAGE)} names",
    "page of referrers": f"{number(endpoint._PAGE)} descriptors, {size(referrers._PAGE_BYTES)},"
    f" {number(referrers._LOOKED_AT)} rows",
    "page of a list of the API": f"{operations.PAGE['limit'].least} to {operations.PAGE['limit'].most} items",
    "key after which a page begins": f"{operations.PAGE['after'].longest} characters",
    "export of the list of changes": f"{number(oversight._MOST_LINES)} lines",
    "tags that a filtered page looks at": number(tag_list._MOST_LOOKED_AT),
    "repositories that a filtered page looks at": number(page_search._FIRST_LOOK + page_search.MOST_LOOKED_AT),
    "repositories of one page for which the rule of rights is asked": number(page_search._MOST_ASKED),
    "tags, accounts and organizations that are counted": number(tag_list.MOST_COUNTED)
    if tag_list.MOST_COUNTED == sorted_list.MOST_COUNTED
    else "",
    "changes of a namespace that are found by an index": f"{number(namespace_audit._FEW)}; of more, a page looks at"
    f" {number(namespace_audit.MOST_LOOKED_AT)} changes of the registry",
    "changes in which a page looks for what happened lately": f"{lately.LOOKED_AT},"
    f" and {lately.OF_EACH} of each of {lately.MOST_REPOSITORIES} repositories; {lately.MOST} are shown,"
    " one for each repository",
    "users that one form disables or enables": str(listing.ROWS[-1]),
    "text of a search": f"{terms.LONGEST} characters",
    "results of a search": f"{search.MOST} of each group",
    "results of a search by `/v1/search`": f"{number(client_search.MOST)}; {v1_search.MOST} on a page",
    "tags in a list of v1": f"{number(v1_images.MOST_TAGS)}, those that were pushed last",
    "manifest of an image of v1": size(v1_images.LONGEST),
    "manifests in which the id of an image of v1 is looked for": number(v1_images.MOST_LOOKED_AT),
    "repositories that a search counts": str(search._MOST_RANKED),
    "layers of a repository's newest image in lists": str(newest_layers.MOST),
    "repositories in whose tags a search looks": f"{search._MOST_TAGGED}, those that were pushed last",
    "manifest whose content is shown": size(manifest_content.LONGEST),
    "config of an image that is read": f"{size(image_config.LONGEST)}, {number(json_limits.MOST_VALUES)}"
    " commas, colons and brackets",
    "layers and images of a manifest that are shown": f"{number(manifest_content.MOST_LAYERS)} layers,"
    f" {manifest_content.MOST_CHILDREN} entries of an index",
    "attached manifests on one page": str(attached.MOST_LISTED),
    "file of the changes in a namespace": f"{number(ui_changes.MOST_LINES)} lines",
    "tags that one form deletes": f"{tag_list.MOST_ROWS} that are chosen, {ui_tags.MOST_DELETED} that a filter finds",
    "manifests without a tag that one form deletes": number(ui_untagged.MOST_DELETED),
    "manifests that a list of those without a tag looks at": f"{number(untagged.MOST_LOOKED_AT)} for a page",
    "tags that are sorted by own bytes": f"{number(own_sizes.MOST_TAGS)}, of {number(own_sizes.MOST_REFERENCES)}"
    " layers",
    "files of an artifact that its page shows": f"{artifacts.MOST_FILES} of {size(artifacts.LONGEST)}",
    "SBOMs that a worker reads at once for comparisons": f"{attached_packages._MOST_AT_ONCE}, one for each client; the"
    f" store has to give each within {attached_packages._SECONDS:.0f} seconds",
    "SBOM whose packages are compared": f"{size(sboms.LONGEST)}, {number(sboms.MOST_PACKAGES)} packages,"
    f" {number(json_limits.MOST_VALUES)} commas, colons and brackets",
    "differing packages that are shown": number(sboms.MOST_SHOWN),
    "referrers among which a README is looked for": number(image_readme.MOST_REFERRERS),
    "body of a request": size(operations.MOST_BODY),
    "body of a request that writes a README": f"{size(social._LONGEST_README - 1024)} and 1 KiB",
    "README of a repository": size(readmes.MOST_BYTES),
    "README that is formatted": f"{number(work.MOST_LINES)} lines, {number(work.MOST_MARKS)} marks such as `*`",
    "HTML of links, pictures, ids and cells of tables in a README": f"{work.MOST_TIMES} times the length of the text,"
    f" at least {size(work.LEAST_MARKUP)}",
    "address in a README": f"{links.LONGEST} characters",
    "quotes and lists in each other in a README": f"{work.MOST_DEPTH} levels",
    "previews of long READMEs at a time": f"1 of an account, {thread.MOST_PREVIEWS} in all",
    "HTML of READMEs that is kept": f"{size(rendered._KEPT)} for each worker",
    "comment on a repository": size(comments.MOST_BYTES),
    "comments of a user": f"{comments.AT_ONCE} in {span(comments.WINDOW)}",
    "comments on a repository": number(comments.MOST),
    "stars of a user": number(stars.MOST),
    "categories of a repository": f"{categories.MOST} of {categories.LONGEST} characters",
    "notice that a repository is deprecated": f"{number(deprecation.LONGEST)} characters",
    "changes of a user": rate(*account_services.CHANGES),
    "changes of an administrator": rate(*account_services.ADMINISTRATORS_CHANGES),
    "searches, and lists of repositories with a filter, of a user": rate(*account_services.SEARCHES),
    "the same from one network without signing in": rate(*account_services.SIGNED_OUT_SEARCHES),
    "text for which a search suggests names": f"{nearest.LONGEST} characters",
    "access tokens of a user": number(access_tokens.MOST),
    "patterns of an access token": f"{access_tokens.MOST_PATTERNS}, together {number(access_tokens._MOST_TEXT)}"
    " characters",
    "organizations that a user owns and made": number(organizations.MOST_OWNED),
    "new organizations of a user who is no administrator": (
        f"{organizations.MOST_TRIES} tries in {span(organizations.SECONDS)}"
    ),
    "organizations of a user": number(organizations.MOST_JOINED),
    "teams of an organization": number(teams.MOST),
    "teams of a user": number(teams.MOST_JOINED),
    "robot accounts of an organization": number(robots.MOST),
    "time that a list waits for its turn": span(pool.WAIT_SECONDS),
    "grants of one holder in a namespace": number(grants.MOST),
    "time until something expires": f"{durations._LONGEST // (366 * 86400)} years",
    "life of an invitation": f"{span(invitations._LONGEST_MS / 1000)}",
    "life of a token that sets a password": span(one_time.LIFE_MS / 1000),
    "new accounts from one network": f"{registration.MOST} tries in {span(registration.SECONDS)}",
    "accounts that wait for approval": number(registration.MOST_PENDING),
    "forgotten passwords": f"{resets.FROM_NETWORK} from one network, {resets.FOR_ACCOUNT} for one name or address, in"
    f" {span(resets.SECONDS)}",
    "mails to one address": f"{resets.TO_ADDRESS} in {span(resets.SECONDS)}",
    "mails that wait": f"{resets._QUEUE} for each worker",
    "name that was given up": span(default("auth.quarantine")),
    "wrong passwords without a wait": f"{throttle.FREE} in {span(throttle._FORGIVEN_MS / 1000)}",
    "wait after a wrong password": f"1 second, doubling to {span(throttle._LONGEST_WAIT_MS / 1000)}",
    "wait of others in the same network": f"{span(throttle._SHARED_WAIT_MS / 1000)}, and more from the"
    f" {throttle.PERSISTENT}th wrong password on",
    "wrong passwords in a row for an account": f"{throttle.STRANGERS} from elsewhere, then none for"
    f" {span(throttle.STOPPED_MS / 1000)}; {throttle.KNOWN} from each of {throttle.KNOWN_NETWORKS} known networks",
    "logins that wait": f"{passwords._QUEUE} for each worker",
    "time of an imported hash": span(imported_hashes.MOST_SECONDS),
    "life of a token of v1": span(signed_tokens.V1_SECONDS),
    "life of a token of `/token`": span(signed_tokens.ACCESS_SECONDS),
    "life of what `docker login` keeps": span(signed_tokens.REFRESH_SECONDS),
    "repositories of one token of `/token`": f"{signed_tokens.MOST_ENTRIES}, their names together"
    f" {number(token_server._MOST_NAMES)} characters",
    "form for `/token`": f"{size(token_server._MOST_BODY)}, {token_server._MOST_FIELDS} fields",
    "life of a key that signs these tokens": span(default("auth.key_rotation")),
    "session of a browser that is not used": span(default("auth.session_idle")),
    "life of a session of a browser": span(default("auth.session_life")),
    "sessions of a user": number(sessions.MOST),
    "time for which a password counts that was entered again": span(sessions.CONFIRMED_MS / 1000),
    "list of changes": "for ever" if default("auth.audit_days") == 0 else "",
    "tags in one entry of the list of changes": number(manifests._NOTED),
    "line of the log": size(logs.LINE_LIMIT),
    "lines of the log that wait": f"{size(log_writer.LIMIT)} for each process",
}
