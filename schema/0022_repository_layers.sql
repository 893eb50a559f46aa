-- The layers of the newest tag's image, as domain/explore/newest_layers.py writes them. NULL: not known yet.
ALTER TABLE repository_facts ADD COLUMN layers VARCHAR(600);
