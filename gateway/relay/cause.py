"""Why an origin gave no connection or no answer: a closed list, for logs and figures. Clients never read it."""

from __future__ import annotations

import errno
import socket
import ssl
from enum import Enum
from typing import Final

from gateway.relay.breaker import Miss


class Cause(Enum):
    """The word for it, and what the breaker makes of it (None: it says nothing about the origin)."""

    REFUSED = ("refused", Miss.REFUSED)
    NO_ROUTE = ("no_route", Miss.REFUSED)
    NO_SOCKET = ("no_socket_file", Miss.REFUSED)
    FORBIDDEN = ("forbidden", Miss.REFUSED)
    CUT = ("cut", Miss.REFUSED)
    CONNECT_TIMEOUT = ("connect_timeout", Miss.SILENT)
    TLS_EXPIRED = ("tls_expired", Miss.REFUSED)
    TLS_WRONG_NAME = ("tls_wrong_name", Miss.REFUSED)
    TLS_UNKNOWN_CA = ("tls_unknown_ca", Miss.REFUSED)
    TLS = ("tls", Miss.REFUSED)
    RESET = ("reset", Miss.UNANSWERED)
    TIMEOUT = ("timeout", Miss.UNANSWERED)
    UNKNOWN_NAME = ("unknown_name", None)
    LOCAL = ("no_local_resources", None)

    def __init__(self, word: str, miss: Miss | None) -> None:
        self.word = word
        self.miss = miss


_LOCAL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_BY_ERRNO: Final = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ENOENT: Cause.NO_SOCKET,
    errno.ENOTSOCK: Cause.NO_SOCKET,
    errno.EACCES: Cause.FORBIDDEN,
    errno.EPERM: Cause.FORBIDDEN,
    errno.ETIMEDOUT: Cause.CONNECT_TIMEOUT,
    errno.ECONNRESET: Cause.CUT,
    errno.ECONNABORTED: Cause.CUT,
    errno.EPIPE: Cause.CUT,
}
# OpenSSL's X509_V_ERR_* (x509_vfy.h): what a certificate is refused for
_BY_VERIFY_CODE: Final = {
    9: Cause.TLS_EXPIRED,  # not yet valid
    10: Cause.TLS_EXPIRED,
    2: Cause.TLS_UNKNOWN_CA,
    18: Cause.TLS_UNKNOWN_CA,  # self-signed
    19: Cause.TLS_UNKNOWN_CA,
    20: Cause.TLS_UNKNOWN_CA,
    21: Cause.TLS_UNKNOWN_CA,
    62: Cause.TLS_WRONG_NAME,
    64: Cause.TLS_WRONG_NAME,  # an address
}


def cause_of(error: OSError) -> Cause:
    """Why no connection could be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, Cause.TLS)
    if isinstance(error, ssl.SSLError):
        return Cause.TLS
    if isinstance(error, socket.gaierror):
        return Cause.UNKNOWN_NAME
    if error.errno in _LOCAL:
        return Cause.LOCAL
    if isinstance(error, ConnectionError) and error.errno is None:  # the loop's own, within a TLS handshake
        return Cause.CUT
    return _BY_ERRNO.get(error.errno or 0, Cause.NO_ROUTE)
