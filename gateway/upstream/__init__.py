"""Talking to a side: over HTTP, or to an ASGI app in this process. It knows no route, stage or flag."""
