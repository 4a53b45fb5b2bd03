"""Talks to the admin plane: one bounded request at a time, and every failure becomes a sentence.

The only file of the command line that imports httpx. It knows no command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from gateway.cli.output import Code, Trouble, folded
from gateway.cli.place import AdminPlane

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_HOW_TO_GET_IN = (
    "give one with --token or STRANGLER_ADMIN_TOKEN; a gateway shows its first one when it starts on a new database, "
    "and `strangler tokens add NAME --role admin --database-url URL` makes another"
)
_CODES = {401: Code.WRONG, 403: Code.NO, 404: Code.WRONG, 409: Code.NO, 412: Code.NO, 422: Code.WRONG}


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer: its JSON and the version its ETag names, if any."""

    data: Any
    etag: str | None


class Refusal(Trouble):
    """The admin plane has said no; `status` is HTTP's, `error` what it said."""

    def __init__(self, status: int, error: dict[str, Any], sentence: str) -> None:
        details = {name: value for name, value in error.items() if name not in ("code", "message")}
        code = _CODES.get(status, Code.UNREACHABLE if status >= 500 else Code.WRONG)
        super().__init__(code, str(error.get("code", "refused")), sentence, status=status, **details)
        self.status = status


class AdminClient:
    """A connection to one admin plane."""

    def __init__(self, plane: AdminPlane) -> None:
        self._plane = plane
        headers = {"accept": "application/json"}
        if plane.token is not None:
            headers["authorization"] = f"Bearer {plane.token}"
        try:
            # trust_env: a proxy of the environment must not see the token of a plane on this machine
            self._http = httpx.Client(base_url=plane.url, headers=headers, timeout=_TIMEOUT, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            raise Trouble(Code.WRONG, "bad_admin_url", f"--admin-url {plane.url}: {error}") from error

    def __enter__(self) -> AdminClient:
        """Use the connection for one command."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self._http.close()

    def get(self, *path: str, **query: Any) -> Reply:
        """Read something."""
        return self._ask("GET", path, query=query)

    def send(self, method: str, *path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Change something."""
        return self._ask(method, path, body=body, headers=headers)

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        target = "/api/" + "/".join(quote(segment, safe="") for segment in path)
        try:
            answer = self._http.request(method, target, json=body, params=query, headers=headers)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
            raise Trouble(Code.WRONG, "bad_admin_url", f"--admin-url {self._plane.url}: {error}") from error
        except httpx.TransportError as error:
            raise self._unreachable(f"cannot be reached ({_why(error)})") from error
        data = _json(answer)
        if answer.is_success and (data is not None or not answer.content):
            return Reply(data, answer.headers.get("etag"))
        said = data.get("error") if isinstance(data, dict) else None
        if not isinstance(said, dict):
            raise self._unreachable(f"is no admin plane (it answered {answer.status_code})")
        raise Refusal(answer.status_code, said, self._sentence(answer.status_code, said))

    def _unreachable(self, why: str) -> Trouble:
        hint = "is a gateway running? --admin-url or STRANGLER_ADMIN_URL says where"
        return Trouble(Code.UNREACHABLE, "admin_unreachable", f"{self._plane.url} {why}; {hint}")

    def _sentence(self, status: int, error: Mapping[str, Any]) -> str:
        if error.get("code") == "unknown_route":
            return "there is no such route; `strangler routes` lists them"
        if error.get("code") == "invalid_body" and error.get("reasons"):  # no word about a body that nobody has written
            return "\n".join(map(str, error["reasons"]))
        if status != 401:
            return _with_reasons(str(error.get("message", "the admin plane refused")), error.get("reasons"))
        if self._plane.token is None:
            return f"{self._plane.url} wants a token: {_HOW_TO_GET_IN}"
        return f"{self._plane.url} does not know this token: {_HOW_TO_GET_IN}"


def _with_reasons(said: str, reasons: object) -> str:
    """The sentence, and under it every reason that says more than the sentence does."""
    more = dict.fromkeys(str(one) for one in reasons) if isinstance(reasons, list) else {}
    return "\n".join(
        [said, *(folded(f"  - {one}", behind="    ") for one in more if one.rstrip(".") != said.rstrip("."))]
    )


def _why(error: httpx.TransportError) -> str:
    """The system's words without its number, or the name of what happened where there are none."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
