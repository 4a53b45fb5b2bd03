"""uvicorn's HTTP protocol, taught one thing: to keep the request target as it stood on the wire.

ASGI splits the target into path and query and so loses a lone `?`.
"""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.proxy.receive import TARGET_EXTENSION


class TargetKeepingProtocol(HttpToolsProtocol):
    """Puts the target bytes into the scope's extensions; the absolute form is left to ASGI's split."""

    def on_headers_complete(self) -> None:
        """Called by the parser when the request's head is complete; the app starts after it returns."""
        super().on_headers_complete()
        if self.url.startswith(b"/"):
            cast(dict[str, Any], self.scope)["extensions"] = {TARGET_EXTENSION: self.url}
