-- Repositories, blobs, manifests, tags, uploads and garbage.
-- Portable between SQLite and MySQL: ids come from the program, times are milliseconds since 1970, keys are VARCHAR.

CREATE TABLE repositories (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- One row a digest. The storage key is opaque, made once and never used again.
CREATE TABLE blobs (
    digest VARCHAR(135) NOT NULL PRIMARY KEY,
    storage_key VARCHAR(64) NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- A blob is readable in the repositories that it is linked to; the lease keeps it there until a manifest refers to it.
CREATE TABLE repository_blobs (
    repository_id BIGINT NOT NULL,
    digest VARCHAR(135) NOT NULL,
    leased_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX repository_blobs_digest ON repository_blobs (digest);

CREATE TABLE manifests (
    repository_id BIGINT NOT NULL,
    digest VARCHAR(135) NOT NULL,
    media_type VARCHAR(255) NOT NULL,
    artifact_type VARCHAR(255),
    subject VARCHAR(135),
    size BIGINT NOT NULL,
    pushed_at BIGINT NOT NULL,
    annotations LONGTEXT,
    body LONGBLOB NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX manifests_subject ON manifests (repository_id, subject, digest);

CREATE TABLE manifest_blobs (
    repository_id BIGINT NOT NULL,
    manifest_digest VARCHAR(135) NOT NULL,
    blob_digest VARCHAR(135) NOT NULL,
    PRIMARY KEY (repository_id, manifest_digest, blob_digest)
);
CREATE INDEX manifest_blobs_blob ON manifest_blobs (repository_id, blob_digest);

CREATE TABLE manifest_children (
    repository_id BIGINT NOT NULL,
    parent_digest VARCHAR(135) NOT NULL,
    child_digest VARCHAR(135) NOT NULL,
    PRIMARY KEY (repository_id, parent_digest, child_digest)
);
CREATE INDEX manifest_children_child ON manifest_children (repository_id, child_digest);

CREATE TABLE tags (
    repository_id BIGINT NOT NULL,
    name VARCHAR(128) NOT NULL,
    digest VARCHAR(135) NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, name)
);
CREATE INDEX tags_digest ON tags (repository_id, digest);

-- The row comes before the bytes: a stored key that no row names is always garbage.
-- digest covers all bytes so far and counts only under the same epoch (a start of the server); generation fences writers.
CREATE TABLE uploads (
    id VARCHAR(32) NOT NULL PRIMARY KEY,
    repository VARCHAR(255) NOT NULL,
    storage_key VARCHAR(64) NOT NULL UNIQUE,
    state VARCHAR(4000) NOT NULL,
    size BIGINT NOT NULL,
    algorithm VARCHAR(16) NOT NULL,
    digest VARCHAR(135),
    epoch VARCHAR(32),
    generation BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX uploads_updated ON uploads (updated_at);

-- Keys that nothing names any more, to be deleted from the store after the grace period.
CREATE TABLE garbage (
    storage_key VARCHAR(64) NOT NULL PRIMARY KEY,
    condemned_at BIGINT NOT NULL
);
CREATE INDEX garbage_condemned ON garbage (condemned_at);

-- When a periodic job is due; claiming it and moving it on is one UPDATE.
CREATE TABLE jobs (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    due_at BIGINT NOT NULL,
    claimed_by VARCHAR(64)
);

CREATE TABLE settings (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    value VARCHAR(255) NOT NULL
);
