-- Large manifests whose references are recorded or removed in several transactions. The manifest itself is not stored yet, or is deleted already.
-- token: of whoever does this; removing: 1 while the references are removed.
CREATE TABLE unfinished_manifests (
    repository_id BIGINT NOT NULL,
    digest VARCHAR(135) NOT NULL,
    token VARCHAR(32) NOT NULL,
    removing SMALLINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX unfinished_manifests_changed_at ON unfinished_manifests (changed_at);
