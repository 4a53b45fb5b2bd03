"""Comparing live: the copy of a request, sent after the client has its answer, and the verdict on it."""
