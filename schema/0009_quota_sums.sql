-- What counts for the quota of a namespace besides its blobs and manifests.

-- Bytes of the session that are in the sums of its namespace; NULL: none, the namespace had no quota when the session began.
ALTER TABLE uploads ADD COLUMN charged BIGINT;
CREATE INDEX uploads_repository ON uploads (repository);

-- In whose sums the bytes are that nothing names any more, and how many; NULL: in none.
ALTER TABLE garbage ADD COLUMN namespace VARCHAR(64);
ALTER TABLE garbage ADD COLUMN size BIGINT;
CREATE INDEX garbage_namespace ON garbage (namespace);

-- used_bytes: of blobs, manifests and open uploads. garbage_bytes: of what is not collected yet. NULL: to be counted.
-- freed: how often something was taken away since the last count, so that the sums may be too high.
ALTER TABLE quotas ADD COLUMN garbage_bytes BIGINT;
ALTER TABLE quotas ADD COLUMN used_repositories BIGINT;
ALTER TABLE quotas ADD COLUMN freed BIGINT;
