-- Repositories whose name is free again, and whose content nobody sees any more: rows with their ids are taken away a few at a time.
CREATE TABLE deleted_repositories (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    deleted_at BIGINT NOT NULL
);
