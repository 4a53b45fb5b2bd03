"""Keeps the public keys of one pinned JWKS URL.

A token can make it ask again, but only once per cool-down whatever key ids it invents; when the URL is
down, the keys that are known keep working.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Callable
from typing import Any, Final, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from services.kit.guard import permitted

PublicKey = RSAKey | ECKey
Fetch = Callable[[str], bytes]

COOL_DOWN_S: Final = 30.0
MAX_AGE_S: Final = 600.0  # after this a known key is used once more while the set is fetched anew
_TIMEOUT_S: Final = 5.0
_MAX_BYTES: Final = 1 << 20
_log = logging.getLogger("services")


class KeyRing:
    """The keys by their id."""

    def __init__(self, url: str, *, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic):
        self._url = url
        self._fetch = fetch or fetch_pinned
        self._clock = clock
        self._keys: dict[str, PublicKey] = {}
        self._asked_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> PublicKey | None:
        """The key of this id; fetches the set when the id is new, at most once per cool-down."""
        known = self._keys.get(kid)
        if known is not None:
            if self._clock() - self._fetched_at > MAX_AGE_S:
                self._start()
            return known
        self._start()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)  # one caller who leaves must not end it for the others
        return self._keys.get(kid)

    async def aclose(self) -> None:
        """Wait for a fetch that is under way; it is bounded by its own timeout."""
        if self._fetching is not None:
            await self._fetching

    def _start(self) -> None:
        now = self._clock()
        if self._fetching is None and now - self._asked_at >= COOL_DOWN_S:
            self._asked_at = now
            with permitted():  # the keys are the app's, whichever request asks for them first
                self._fetching = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            keys = usable_keys(await asyncio.to_thread(self._fetch, self._url))
        except (OSError, ValueError) as error:
            _log.warning("the JWKS cannot be fetched: %s", type(error).__name__)
        else:
            self._keys, self._fetched_at = keys, self._clock()
        finally:
            self._fetching = None


def usable_keys(document: bytes) -> dict[str, PublicKey]:
    """The RSA and P-256 signature keys of a JWKS document; others are left out. Raises ValueError."""
    parsed = json.loads(document)
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a JWKS document")
    keys: dict[str, PublicKey] = {}
    for entry in entries:
        key = _usable(entry)
        if key is not None:
            keys[entry["kid"]] = key
    return keys


def _usable(entry: Any) -> PublicKey | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(entry)
    except (JoseError, ValueError, KeyError):
        return None
    if isinstance(key, RSAKey) or (isinstance(key, ECKey) and key.curve_name == "P-256"):
        return key
    return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # the URL is pinned: a redirect is an error
        return None


def fetch_pinned(url: str) -> bytes:
    """Fetch the document from exactly this URL (settings.py has checked that it is http or https)."""
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(url, timeout=_TIMEOUT_S) as response:
        document = cast(bytes, response.read(_MAX_BYTES + 1))
    if len(document) > _MAX_BYTES:
        raise ValueError("the JWKS document is too large")
    return document
