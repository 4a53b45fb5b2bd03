"""OpenTelemetry: a span for a request, one for the exchange with its side, one for its copy. Off unless asked for.

Only `start` is imported where nobody traces; it imports the rest, and the SDK of the extra `otel`, when asked to.
"""
