-- Upload sessions have a bound for each owner, and not for the whole registry alone.

-- Whose share of the open sessions this one takes: "user ID", "organization NAME" for its robot accounts, or "network ADDRESS" for who shows
-- no credentials. NULL: a session of the version before, which takes nobody's share.
ALTER TABLE uploads ADD COLUMN share_of VARCHAR(80);
CREATE INDEX uploads_share ON uploads (share_of);
