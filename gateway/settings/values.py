"""What the value of a setting may be: types that pydantic checks, made of rules that know nothing of it."""

from __future__ import annotations

import ipaddress
import re
import ssl
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from gateway.settings.addresses import address, new_side, origin, several_origins
from gateway.settings.headers import header_line

SECRET_BYTES: Final = 32


def _joined(value: object) -> object:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) and value else value


def _networks(value: object) -> object:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple):
        return tuple(ipaddress.ip_network(str(part)) for part in value)
    return value


def _names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _lines(value: object) -> object:
    return tuple(line for line in value.splitlines() if line.strip()) if isinstance(value, str) else value


def _header_lines(lines: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for line in lines:
        header_line(line.get_secret_value())
    return lines


def _long(secret: SecretStr) -> SecretStr:
    """Refuse what can be guessed: HS256 is as strong as its key (RFC 7518 section 3.2)."""
    if len(secret.get_secret_value().encode()) < SECRET_BYTES:
        raise ValueError(f"this is shorter than {SECRET_BYTES} bytes")
    return secret


def _webhook(url: SecretStr) -> SecretStr:
    """Accept an http or https URL; its path is often a secret, so nothing of it is repeated."""
    try:
        parts = urlsplit(url.get_secret_value())
        port = parts.port
        url.get_secret_value().encode("ascii")
    except ValueError:
        raise ValueError("this is not a URL in ASCII") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("this is not a URL like https://hooks.example/strangler")
    if parts.username or parts.fragment or re.search(r"[\x00-\x20\x7f]", url.get_secret_value()):
        raise ValueError("the URL must have no user, no fragment and no spaces")
    return url


def _certificates(path: Path) -> Path:
    """Accept a file that OpenSSL finds certificates in."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"{path} holds no certificates in PEM form") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    return path


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Origin = Annotated[str, AfterValidator(origin)]
Origins = Annotated[str, BeforeValidator(_joined), AfterValidator(several_origins)]
NewSide = Annotated[str, BeforeValidator(_joined), AfterValidator(new_side)]
Address = Annotated[str, AfterValidator(address)]
Certificates = Annotated[Path, AfterValidator(_certificates)]
LongSecret = Annotated[SecretStr, AfterValidator(_long)]
Webhook = Annotated[SecretStr, AfterValidator(_webhook)]
HeaderLines = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_lines), AfterValidator(_header_lines)]
