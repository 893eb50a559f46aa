-- The bytes of blobs and uploads that are few, by the storage key that the row of the blob or upload names: a push of one costs a commit and no file.
CREATE TABLE small_blobs (
    storage_key VARCHAR(64) NOT NULL PRIMARY KEY,
    body LONGBLOB NOT NULL
);
