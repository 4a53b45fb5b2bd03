"""No secret stays in a finding, wherever it stood."""

import pytest

from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.shadow.redact import HIDDEN, redact_target, redact_verdict

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        (b"/a?x=1&apikey=s3cret&y=2", "/a?x=1&apikey=(hidden)&y=2"),
        (b"/a?access_token=s3cret", "/a?access_token=(hidden)"),
        (b"/a?PASSWORD=s3cret", "/a?PASSWORD=(hidden)"),
        (b"/a/" + JWT.encode(), "/a/(hidden)"),
        (b"/a?q=" + JWT.encode(), "/a?q=(hidden)"),
        (b"/api/tokens?page=2", "/api/tokens?page=2"),
        (b"/a?shipping=x&monkey=1", "/a?shipping=x&monkey=1"),
    ],
)
def test_a_target_loses_its_secrets_only(target: bytes, kept: str) -> None:
    """Values under secret-looking names and anything that looks like a JWT are hidden; the rest stays."""
    assert redact_target(target) == kept


@pytest.mark.parametrize(
    "where",
    [
        "body/token",
        "body/user/password",
        "header/set-cookie",
        "header/authorization",
        "body/0/apiKey",
        "body/api_key",
        "body/session",
        "body/refresh_token",
    ],
)
def test_a_value_under_a_secret_name_is_hidden(where: str) -> None:
    """Both values go, and None stays None: that a side has no value is no secret."""
    verdict = redact_verdict(Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, where, '"s3cret"', None),)))
    assert verdict.mismatches[0].control == HIDDEN
    assert verdict.mismatches[0].candidate is None


def test_a_secret_within_a_larger_value_is_hidden() -> None:
    """An object that only one side has is shown without the secrets in it, also when it was cut short."""
    value = '{"id":1,"token":"s3cret","nested":{"password":"s3\\"cret"},"pin":1234,"auth":"s3cr'
    mismatch = Mismatch(Kind.EXTRA, "body/user", None, value)
    verdict = redact_verdict(Verdict(Outcome.ALLOWED, (), (Allowance(mismatch, "why", "f:1"),)))
    kept = verdict.allowed[0].mismatch.candidate
    assert kept is not None
    assert "s3" not in kept
    assert "1234" not in kept
    assert '"id":1' in kept
