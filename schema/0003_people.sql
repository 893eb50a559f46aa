-- How people come to accounts by themselves, and from where they logged in lately.

-- Of a code only its SHA-256 is kept. used_by: the name of the account that was made with it.
CREATE TABLE invitations (
    id BIGINT NOT NULL PRIMARY KEY,
    digest VARCHAR(64) NOT NULL UNIQUE,
    email VARCHAR(254),
    organization_id BIGINT,
    role VARCHAR(16),
    made_by VARCHAR(160) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    used_by VARCHAR(64)
);
CREATE INDEX invitations_expires ON invitations (expires_at);

-- failed: wrong passwords for this user from there since the last right one.
CREATE TABLE known_networks (
    user_id BIGINT NOT NULL,
    network VARCHAR(64) NOT NULL,
    last_at BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    PRIMARY KEY (user_id, network)
);

-- Failures since the last success, which no time forgives; NULL: not counted yet.
ALTER TABLE failures ADD COLUMN in_a_row BIGINT;
