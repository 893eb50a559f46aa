-- What pages and lists show of tags and manifests.

-- The name in the order that people expect, 1.9 before 1.10. NULL: not known yet. A periodic job fills it.
ALTER TABLE tags ADD COLUMN sort_key VARCHAR(160);
-- Who pushed the tag, as an actor of the audit. NULL: not known, or without credentials.
ALTER TABLE tags ADD COLUMN pushed_by VARCHAR(160);
CREATE INDEX tags_updated ON tags (repository_id, updated_at, name);
CREATE INDEX tags_sorted ON tags (repository_id, sort_key, name);

-- What a manifest is, read from its bytes and those of its config, soon after its push. A manifest without a row is not examined yet.
-- platforms: with a comma before and after each. image_digest: the image that size, layers and created_at are about: the manifest itself, or of
-- an index the image of one platform. size: bytes that pulling that image takes. total_size: of all platforms, each blob once.
-- attestations: how many manifests of an index say something about the others. NULL: does not apply, or can't be known.
CREATE TABLE manifest_facts (
    repository_id BIGINT NOT NULL,
    digest VARCHAR(135) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    platforms VARCHAR(1000),
    config_digest VARCHAR(135),
    image_digest VARCHAR(135),
    size BIGINT,
    total_size BIGINT,
    layers BIGINT,
    attestations BIGINT,
    created_at BIGINT,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX manifest_facts_size ON manifest_facts (repository_id, size, digest);
