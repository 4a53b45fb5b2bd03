"""What looks after routes that have moved: each process watches its own, one of all does what only one may do."""
