-- The stored keys that copy-storage has copied to another store and verified there, with their sizes.
CREATE TABLE copied_keys (
    storage_key VARCHAR(64) NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL
);
