-- What people add to repositories: stars, comments, READMEs, categories, a notice that a repository is deprecated.
-- All rows of a repository go with it. A missing count is 0.

CREATE TABLE stars (
    user_id BIGINT NOT NULL,
    repository_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, repository_id)
);
CREATE INDEX stars_repository ON stars (repository_id, user_id);

-- The row stays when the account of its author goes.
CREATE TABLE comments (
    id BIGINT NOT NULL PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    body VARCHAR(4096) NOT NULL,
    created_at BIGINT NOT NULL,
    edited_at BIGINT
);
CREATE INDEX comments_repository ON comments (repository_id, id);
CREATE INDEX comments_user ON comments (user_id, created_at);

CREATE TABLE readmes (
    repository_id BIGINT NOT NULL PRIMARY KEY,
    body LONGTEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE repository_categories (
    repository_id BIGINT NOT NULL,
    category VARCHAR(32) NOT NULL,
    PRIMARY KEY (repository_id, category)
);
CREATE INDEX repository_categories_category ON repository_categories (category, repository_id);

ALTER TABLE repositories ADD COLUMN stars BIGINT;
ALTER TABLE repositories ADD COLUMN comments BIGINT;
ALTER TABLE repositories ADD COLUMN deprecation VARCHAR(1000);
ALTER TABLE repositories ADD COLUMN replacement VARCHAR(255);
