"""Finds an in-process new side by its name."""

from __future__ import annotations

import importlib
import sys

from gateway.upstream.inprocess import App


class NotLoadable(Exception):  # noqa: N818 - it says what is the case
    """The name leads to no app; the text is a sentence for people."""


def load_app(name: str) -> App:
    """Call the zero-argument factory `module:factory`; the current folder is importable, as it is for uvicorn."""
    module, _, factory = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        app: App = getattr(importlib.import_module(module), factory)()
    except Exception as error:  # the border to other people's code: importing it may raise anything
        raise NotLoadable(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(app):
        raise NotLoadable(f"{name} gave {type(app).__name__}, which is no ASGI app")
    return app
