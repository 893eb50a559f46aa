-- People, organizations, teams, robot accounts, what they may do, and what was done.
-- A value that is missing in repositories is that of the namespace; no row of generations is the value 0.

-- One counter: every transaction that changes who may do what adds one to it before it reads anything else.
CREATE TABLE generations (
    name VARCHAR(32) NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Users and organizations share their names here. A released name is nobody's until its quarantine is over.
CREATE TABLE namespaces (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    kind VARCHAR(16) NOT NULL,
    holder_id BIGINT NOT NULL,
    default_visibility VARCHAR(16) NOT NULL,
    released_at BIGINT
);

-- credential_generation: tokens that were made for another value of it count no more.
CREATE TABLE users (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL UNIQUE,
    email VARCHAR(254),
    password VARCHAR(255),
    full_name VARCHAR(255),
    company VARCHAR(255),
    location VARCHAR(255),
    url VARCHAR(1000),
    avatar_hash VARCHAR(64),
    state VARCHAR(16) NOT NULL,
    administrator BIGINT NOT NULL,
    credential_generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT
);

CREATE TABLE organizations (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE members (
    organization_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    role VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE teams (
    id BIGINT NOT NULL PRIMARY KEY,
    organization_id BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization_id, name)
);

CREATE TABLE team_members (
    team_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user ON team_members (user_id);

CREATE TABLE robots (
    id BIGINT NOT NULL PRIMARY KEY,
    organization_id BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL,
    credential_generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organization_id, name)
);

-- A holder is a user, a team or a robot. The namespace is the pattern's first segment.
CREATE TABLE grants (
    id BIGINT NOT NULL PRIMARY KEY,
    holder_kind VARCHAR(16) NOT NULL,
    holder_id BIGINT NOT NULL,
    pattern VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    permission VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (holder_kind, holder_id, pattern)
);
CREATE INDEX grants_namespace ON grants (namespace, pattern);

-- Of a secret only its SHA-256 is kept, and its first and last characters as a hint for people.
-- patterns and actions are separated by commas; NULL is everything that the holder may do.
CREATE TABLE access_tokens (
    id BIGINT NOT NULL PRIMARY KEY,
    holder_kind VARCHAR(16) NOT NULL,
    holder_id BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL,
    digest VARCHAR(64) NOT NULL UNIQUE,
    hint VARCHAR(16) NOT NULL,
    patterns VARCHAR(4000),
    actions VARCHAR(255),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    last_used_from VARCHAR(64),
    revoked_at BIGINT,
    UNIQUE (holder_kind, holder_id, name)
);

CREATE TABLE signing_keys (
    id VARCHAR(32) NOT NULL PRIMARY KEY,
    secret VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL
);

-- bound: SHA-256 of the password's hash that was valid then; another password makes the token worthless.
CREATE TABLE one_time_tokens (
    digest VARCHAR(64) NOT NULL PRIMARY KEY,
    purpose VARCHAR(16) NOT NULL,
    user_id BIGINT NOT NULL,
    bound VARCHAR(64) NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id);

-- Failed logins, by account and by network; names are hashed, since people type passwords where names belong.
CREATE TABLE failures (
    name VARCHAR(80) NOT NULL PRIMARY KEY,
    failed BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);
CREATE INDEX failures_last ON failures (last_at);

CREATE TABLE audit (
    id BIGINT NOT NULL PRIMARY KEY,
    happened_at BIGINT NOT NULL,
    actor VARCHAR(160) NOT NULL,
    address VARCHAR(64) NOT NULL,
    action VARCHAR(64) NOT NULL,
    object VARCHAR(400) NOT NULL,
    detail VARCHAR(4000) NOT NULL
);
CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_object ON audit (object, id);

ALTER TABLE repositories ADD COLUMN visibility VARCHAR(16);
ALTER TABLE repositories ADD COLUMN description VARCHAR(4000);

-- user:ID or robot:ID of whoever began the upload, and nobody else goes on with it; NULL: everyone, without credentials.
ALTER TABLE uploads ADD COLUMN owner VARCHAR(64);
