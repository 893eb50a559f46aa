-- How much a namespace may hold, users' and organizations'. NULL is the setting of the registry, -1 no limit; a namespace without a row has the setting too.
-- used_bytes: at least what is there, as long as each push that sees the quota adds to it; exact when counted_at was now; NULL: to be counted.
-- charges changes with each push, so that of two pushes at different nodes only one is committed without seeing the other.
CREATE TABLE quotas (
    namespace VARCHAR(64) NOT NULL PRIMARY KEY,
    most_repositories BIGINT,
    most_bytes BIGINT,
    used_bytes BIGINT,
    counted_at BIGINT,
    charges BIGINT NOT NULL
);
