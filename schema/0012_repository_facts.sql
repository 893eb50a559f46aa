-- What lists of repositories sort by and show, counted beforehand: reading it from tags and manifests would take too long.
-- A row may be a moment behind, or missing in a database of the version before until a periodic job has made it.
-- name, namespace and visibility are copies, for the indexes. Whether somebody may pull is asked of the repository itself.
CREATE TABLE repository_facts (
    repository_id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    visibility VARCHAR(16) NOT NULL,
    pushed_at BIGINT NOT NULL,
    tags_count BIGINT NOT NULL,
    newest_tag VARCHAR(128),
    newest_digest VARCHAR(135),
    size BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    platforms VARCHAR(1000) NOT NULL,
    stars BIGINT NOT NULL,
    pulls BIGINT NOT NULL,
    pulled_at BIGINT
);
CREATE INDEX repository_facts_pushed ON repository_facts (pushed_at, name);
CREATE INDEX repository_facts_size ON repository_facts (size, name);
CREATE INDEX repository_facts_stars ON repository_facts (stars, name);
CREATE INDEX repository_facts_pulls ON repository_facts (pulls, name);
CREATE INDEX repository_facts_visible_pushed ON repository_facts (visibility, pushed_at, name);
CREATE INDEX repository_facts_visible_size ON repository_facts (visibility, size, name);
CREATE INDEX repository_facts_visible_stars ON repository_facts (visibility, stars, name);
CREATE INDEX repository_facts_visible_pulls ON repository_facts (visibility, pulls, name);
CREATE INDEX repository_facts_namespace_pushed ON repository_facts (namespace, pushed_at, name);
CREATE INDEX repository_facts_namespace_size ON repository_facts (namespace, size, name);
CREATE INDEX repository_facts_namespace_stars ON repository_facts (namespace, stars, name);
CREATE INDEX repository_facts_namespace_pulls ON repository_facts (namespace, pulls, name);
CREATE INDEX repositories_visibility ON repositories (visibility, name);

-- How often a tag was pulled, and when for the last time, to the minute. NULL: never since this was counted.
ALTER TABLE tags ADD COLUMN pulls BIGINT;
ALTER TABLE tags ADD COLUMN pulled_at BIGINT;
