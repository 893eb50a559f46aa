-- For lists of tags in the order of their last pull.
CREATE INDEX tags_pulled ON tags (repository_id, pulled_at, name);
