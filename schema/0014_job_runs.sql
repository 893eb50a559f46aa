-- What the last run of each periodic job did, and who wants it to run now.

-- interval_ms: the time between two runs, as the server that ran it last was set; 0: it runs only when somebody asks.
-- asked_at: somebody wants it to run now. ended_at is older than started_at while the job runs.
ALTER TABLE jobs ADD COLUMN interval_ms BIGINT;
ALTER TABLE jobs ADD COLUMN asked_at BIGINT;
ALTER TABLE jobs ADD COLUMN started_at BIGINT;
ALTER TABLE jobs ADD COLUMN ended_at BIGINT;
-- figures: what the last run that succeeded did, as a JSON object. failed: why the last run failed, NULL if it did not.
ALTER TABLE jobs ADD COLUMN figures VARCHAR(400);
ALTER TABLE jobs ADD COLUMN failed VARCHAR(400);
-- Failures since the last success.
ALTER TABLE jobs ADD COLUMN failures BIGINT;
