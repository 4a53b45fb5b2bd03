"""The gateway beside other proxies, in one run on one machine: `python -m tests.bench`, or `make bench`."""
