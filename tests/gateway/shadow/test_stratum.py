"""A stratum labels a request by its shape; what a caller invents stays bounded and is no secret's way out."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from gateway.message import Headers, Observation, OutboundRequest, Side
from gateway.rollout.evidence import Stratum
from gateway.shadow.stratum import MAX_BODY, MAX_KEYS, REFUSED, SOME, UNKNOWN, UNREAD, role_in, stratum_of

JSON: Headers = ((b"content-type", b"application/json; charset=utf-8"),)
FORM: Headers = ((b"content-type", b"application/x-www-form-urlencoded"),)


def token(claims: Any) -> bytes:
    """A token with these claims, signed by nobody."""
    middle = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    return b"e30." + middle + b".sig"


def bearer(value: bytes) -> Headers:
    """The header that shows a token."""
    return ((b"authorization", b"Bearer " + value),)


def of(target: bytes = b"/a", headers: Headers = (), body: bytes | None = None, status: int | None = 200) -> Stratum:
    """The stratum of a request."""
    request = OutboundRequest("POST", target, headers, body, "http", "::1")
    return stratum_of(request, Observation(Side.LEGACY, status, (), b"", 1.0))


def test_a_request_is_labelled_by_what_takes_another_way_through_a_handler() -> None:
    """Method, class of status, the sets of names, the role and the media type."""
    headers = (*JSON, *bearer(token({"app_metadata": {"role": "ADMIN"}, "role": "authenticated"})))
    found = of(b"/a?page=2&q=x&page=3", headers, b'{"kg": 1, "code": 2}', 422)
    assert found == Stratum("POST", 4, ("page", "q"), ("code", "kg"), "ADMIN", "application/json")


def test_the_target_is_the_clients_own() -> None:
    """The new side's path and query are not what legacy served."""
    request = OutboundRequest("GET", b"/new?n=1", (), None, "http", "::1")
    found = stratum_of(request, Observation(Side.LEGACY, None, (), b"", 1.0), b"/old?o=1")
    assert (found.query_keys, found.status_class) == (("o",), 0)


@pytest.mark.parametrize(
    ("headers", "body", "keys"),
    [
        (FORM, b"a=1&b%5B%5D=2&a=3", ("a", "b[]")),
        (JSON, b"[1, 2]", ("[]",)),
        (JSON, b'"text"', ()),
        (JSON, b"{not json", (UNREAD,)),
        (JSON, b"[" * 60_000, (UNREAD,)),
        (JSON, b'{"a": ' + b"9" * 50_000 + b"}", ("a",)),
        (JSON, b'{"a": 1}' + b" " * MAX_BODY, (UNREAD,)),
        (JSON, b"", ()),
        ((), b'{"a": 1}', ()),
        (((b"content-type", b"application/problem+json"),), b'{"a": 1}', ("a",)),
    ],
)
def test_the_names_at_the_top_of_a_body(headers: Headers, body: bytes, keys: tuple[str, ...]) -> None:
    """Of objects and forms; what cannot be read says so."""
    assert of(headers=headers, body=body).body_keys == keys


def test_names_that_are_data_are_one() -> None:
    """Ids, tokens and texts that stand where names belong neither make strata nor are kept."""
    uuid, jwt = "967f2124-1c2d-4540-b81b-656863e79acf", token({}).decode()
    body = json.dumps({uuid: 1, jwt: 2, "a b": 3, "\0": 4, "x" * 65: 5, "kg": 6}).encode()
    assert of(headers=JSON, body=body).body_keys == (SOME, "kg")


def test_a_thousand_invented_names_are_bounded() -> None:
    """So many are kept, and one that stands for the others."""
    body = json.dumps({"".join(chr(97 + int(digit)) for digit in str(n)): 1 for n in range(1_000)}).encode()
    keys = of(headers=JSON, body=body).body_keys
    assert (len(keys), keys[-1]) == (MAX_KEYS + 1, SOME)
    query = b"&".join(b"%c%c=1" % (97 + n // 26, 97 + n % 26) for n in range(600))
    assert len(of(b"/a?" + query).query_keys) == MAX_KEYS + 1


@pytest.mark.parametrize(
    ("headers", "role"),
    [
        ((), ""),
        (((b"authorization", b"Basic YTpi"),), ""),
        (bearer(token({"sub": "x"})), UNKNOWN),
        (bearer(b"not-a-token"), UNKNOWN),
        (bearer(b"a.%%%.c"), UNKNOWN),
        (bearer(token(["list"])), UNKNOWN),
        (bearer(token({"role": "x" * 65})), UNKNOWN),
        (bearer(token({"role": "a\nb"})), UNKNOWN),
        (bearer(token({"role": {"a": 1}})), UNKNOWN),
        (bearer(b"e30." + urlsafe_b64encode(b"[" * 9_000) + b".s"), UNKNOWN),
        (bearer(token({"role": "x", "pad": "y" * 20_000})), UNKNOWN),
        (bearer(token({"role": "authenticated"})), "authenticated"),
    ],
)
def test_the_role_is_what_a_token_says_in_a_few_letters(headers: Headers, role: str) -> None:
    """Whatever cannot be read as a role is unknown, and without a token there is none."""
    assert of(headers=headers).role == role


def test_a_role_is_found_where_identity_providers_put_it() -> None:
    """Supabase, Keycloak, Auth0 and plain claims."""
    assert role_in({"realm_access": {"roles": ["editor"]}, "scope": "openid"}) == "editor"
    assert role_in({"roles": ["editor", "x"]}) == "editor"
    assert role_in({"user_role": "editor", "role": "authenticated"}) == "editor"


def test_a_token_that_legacy_refuses_has_no_role_to_claim() -> None:
    """Forged tokens of a hundred roles are one stratum."""
    strata = {of(headers=bearer(token({"role": f"role{n}"})), status=401) for n in range(100)}
    assert [each.role for each in strata] == [REFUSED]


def test_methods_and_media_types_that_are_none_are_one() -> None:
    """What a caller makes up is not kept."""
    request = OutboundRequest("<B>", b"/", ((b"content-type", b"\xff\x1b[2J"),), None, "http", "::1")
    found = stratum_of(request, Observation(Side.LEGACY, 200, (), b"", 1.0))
    assert (found.method, found.content_type) == (SOME, SOME)
