-- Repositories whose name is free again, and whose content nobody sees any more: rows with their ids are taken away a few at a time.
CREATE TABLE deleted_repositories (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    deleted_at BIGINT NOT NULL
);
-- What `org restore` needs, for as long as the name is nobody's: the rows that went with the organization, in JSON.
CREATE TABLE deleted_organizations (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    id BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    kept LONGTEXT NOT NULL
);
