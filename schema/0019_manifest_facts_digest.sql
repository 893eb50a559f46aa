-- For the search by digest, in all repositories.
CREATE INDEX manifest_facts_digest ON manifest_facts (digest, repository_id);
