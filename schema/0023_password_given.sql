-- The credential_generation that began when somebody else set the user's password. Another value, or NULL: the user set it.
ALTER TABLE users ADD COLUMN password_given BIGINT;
