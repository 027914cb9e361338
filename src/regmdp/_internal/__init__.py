"""What has no idea of a decision process: arrays, errors, statuses, threads, files."""
