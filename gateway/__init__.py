"""The strangler gateway: stands in front of a legacy HTTP API and moves it, route by route, to Python."""

__version__ = "0.1.0"
