-- For the list of all grants by the page.
CREATE INDEX grants_pattern ON grants (pattern);
