-- Who signed in with a browser, and how they like the pages.

-- Of the secret in the cookie only its SHA-256 is kept. A row counts only while its user has the same
-- credential_generation. confirmed_at: when the password was last entered.
CREATE TABLE browser_sessions (
    id BIGINT NOT NULL PRIMARY KEY,
    digest VARCHAR(64) NOT NULL UNIQUE,
    user_id BIGINT NOT NULL,
    credential_generation BIGINT NOT NULL,
    address VARCHAR(64) NOT NULL,
    browser VARCHAR(255) NOT NULL,
    made_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL
);
CREATE INDEX browser_sessions_user ON browser_sessions (user_id);
CREATE INDEX browser_sessions_seen ON browser_sessions (seen_at);

-- NULL: nothing was chosen. shortcuts: 0 if pages take no keys.
CREATE TABLE preferences (
    user_id BIGINT NOT NULL PRIMARY KEY,
    zone VARCHAR(64),
    language VARCHAR(8),
    theme VARCHAR(8),
    shortcuts SMALLINT,
    client VARCHAR(16)
);
