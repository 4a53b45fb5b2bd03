"""Trials that a person runs: `make trials`, or one of them alone, such as `python -m tests.trials.streams`."""
