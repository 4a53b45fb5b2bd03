"""The composition root: the only package that knows all parts. It builds them, runs both planes, takes them down.

Nothing is imported here: a worker, which serves clients only, would pay for the admin plane.
"""
