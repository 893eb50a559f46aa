"""The life of the processes: start, workers, jobs, logs, stop."""
