"""No secret stays in a finding, wherever it stood; what is none stays readable."""

import pytest

from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.shadow.names import is_secret
from gateway.shadow.redact import MAX_TARGET, Redactor, redact_target
from gateway.shadow.secrets import SHOWN

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"


def kept(value: str, where: str = "body/note") -> str:
    """What is kept of a value that differs."""
    verdict = Redactor().verdict(Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, where, value, None),)))
    assert verdict.mismatches[0].candidate is None
    assert verdict.mismatches[0].control is not None
    return verdict.mismatches[0].control


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/a?x=1&apikey=s3cret&y=2", "/a?x=1&apikey=(hidden)&y=2"),
        (b"/a?access_token=s3cret", "/a?access_token=(hidden)"),
        (b"/a?PASSWORD=s3cret", "/a?PASSWORD=(hidden)"),
        (b"/a/" + JWT.encode(), "/a/(hidden)"),
        (b"/a?q=" + JWT.encode(), "/a?q=(hidden)"),
        (b"/a?q=x%20" + JWT.encode(), "/a?q=x%20(hidden)"),
        (b"/a?sessionId=s3cret&code=s3cret&key=s3cret", "/a?sessionId=(hidden)&code=(hidden)&key=(hidden)"),
        (b"/a?p%61ssword=s3cret", "/a?p%61ssword=(hidden)"),
        (b"/a?user%5Bpin%5D=s3cret", "/a?user%5Bpin%5D=(hidden)"),
        (b"/a?back=https%3A%2F%2Fx%2F%3Ftoken%3Ds3cret&x=1", "/a?back=(hidden)&x=1"),
        (b"/a?filter=%257B%2522token%2522%253A%2522s3cret%2522%257D", "/a?filter=(hidden)"),
        (b"/a;jsessionid=s3cret?x=1", "/a;jsessionid=(hidden)?x=1"),
        (b"/a?h=Bearer%20s3cret", "/a?h=Bearer%20(hidden)"),
        (b"/a?u=https://bob:s3cret@h/x", "/a?u=https://(hidden)@h/x"),
        (b"//bob:s3cret@h/x", "//(hidden)@h/x"),
        (b"/api/tokens?page=2", "/api/tokens?page=2"),
        (b"/a?shipping=x&monkey=1&lot_code=2&postal_code=3", "/a?shipping=x&monkey=1&lot_code=2&postal_code=3"),
        (b"/a%2Fb?q=%20&z=a+b", "/a%2Fb?q=%20&z=a+b"),
        (b"/a?password=s3;s3&x=1", "/a?password=(hidden)&x=1"),
        (b"/a?x=1&password='s3<s3\"s3", "/a?x=1&password=(hidden)"),
        (b"/a?x=\x9b2J\x85", "/a?x=\\u009b2J\\u0085"),
    ],
)
def test_a_target_loses_its_secrets_only(target: bytes, shown: str) -> None:
    """Values under secret-looking names and whatever looks like a credential are hidden; the rest stays."""
    assert redact_target(target) == shown


@pytest.mark.parametrize("unit", [b"eyJ", b"a=&", b'\\"', b"/", b"token=a&", b"bearer ", b"%25", b"<a ", b"[{"])
def test_a_huge_query_does_not_stop_the_loop(unit: bytes) -> None:
    """Only the beginning of a target is read, however it is made; the suite's time limit is the clock."""
    for _ in range(50):
        assert len(redact_target(b"/a?q=" + unit * (60_000 // len(unit)))) < 4 * MAX_TARGET


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
        "body/sessionId",
        "body/authHeader",
        "body/otpCode",
        "body/sessions/0/id",
        "body/APIKey",
        "body/userPIN",
        "body/JSESSIONID",
        "body/resetCode",
        "body/privateKey",
        "body/p%61ssword",
        "body/a~1token",
        "body/contraseña",
        "body/mot_de_passe",
        "body/Passwort",
        "body/hasło",
        "body/senha",
        "body/пароль",
        "body/密码",
        "body/パスワード",
        "body/비밀번호",
        "body/ｐａｓｓｗｏｒｄ",
        "body/pass\u200bword",
        "body/2faCode",
        "body/unlock_code",
        "body/codeVerifier",
        "body/licenseKey",
        "body/stripe_key",
        "body/DBPASS",
        "body/psk",
        "body/seedPhrase",
        "body/securityAnswer",
        "body/magic_link",
        "header/dpop",
    ],
)
def test_a_value_under_a_secret_name_is_hidden(where: str) -> None:
    """However the name is spelt; that a side has no value stays visible, for it is no secret."""
    assert kept('"s3cret"', where) == kept("123456", where) == kept("true", where) == f'"{SHOWN}"'


@pytest.mark.parametrize(
    "name",
    [
        *("lot_code", "postalCode", "code", "key", "keyOrder", "shipping", "monkey", "author", "assessId", "compass"),
        *("tokenCount", "total_tokens", "session_length", "token_type", "password_changed_at", "secretary"),
        *("tokenized", "clave_producto", "passport_no", "mac", "café", "公開"),
    ],
)
def test_an_ordinary_name_stays_readable(name: str) -> None:
    """A word that only contains a secret one hides nothing."""
    assert not is_secret(name)
    assert kept('"A-1"', f"body/{name}") == '"A-1"'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"https://app/cb?access_token=s3cret&password=s3cret"', None),
        ('"/cb?code=s3cret&lot=7"', '"/cb?code=(hidden)&lot=7"'),
        ('"/cb#id_token=s3cret"', '"/cb#id_token=(hidden)"'),
        ('"token=s3cret&password=s3cret"', '"token=(hidden)&password=(hidden)"'),
        ('"lot_code=A-1&kg=3"', '"lot_code=A-1&kg=3"'),
        ('"Authorization: Basic Ym9iOnMzY3JldA==\\r\\nLot: 3"', '"Authorization: (hidden)\\r\\nLot: 3"'),
        ('"sent Bearer s3cret, then 3"', '"sent Bearer (hidden), then 3"'),
        ('"sent basic Ym9iOnMzY3JldA== too"', '"sent basic (hidden) too"'),
        ('"basic information"', '"basic information"'),
        ('"Cookie: a=s3cret; b=s3cret"', '"Cookie: (hidden)"'),
        ('"<user><password>s3cret</password><kg>3</kg></user>"', None),
        ('"postgres://bob:s3cret@db/x"', '"postgres://(hidden)@db/x"'),
        ('"{\\"token\\":\\"s3cret\\",\\"kg\\":3}"', '"{\\"token\\":\\"(hidden)\\",\\"kg\\":3}"'),
        ('{"payload": "{\\"token\\":\\"s3cret\\"}"}', "(hidden)"),
        ('{"tokens": ["s3cret", {"a": "s3cret]"}], "kg": 3}', '{"tokens": "(hidden)", "kg": 3}'),
        ('{"note": "password: s3cret", "kg": 3}', '{"note": "password: (hidden)", "kg": 3}'),
        ('{"key": "size", "code": "E42", "order": 1}', '{"key": "size", "code": "E42", "order": 1}'),
        ('"token=s3c\\u00…', '"token=(hidden)…'),
        ('"' + JWT[:40] + "…", '"(hidden)…'),
        ('"mutation { login(user: \\"bob\\", password: \\"s3cret\\") { id } }"', None),
        ('"login(password: \\"s3cret\\", kg: 3)"', '"login(password: \\"(hidden)\\", kg: 3)"'),
        ('{"query": "login(password: \\"s3c\\\\\\"s3cret\\", kg: 3)"}', None),
        ('"<user><password><![CDATA[s3c]]s3c]]></password></user>"', '"<user><password>(hidden)</password></user>"'),
        ('"see https://x/y/sb_secret_s3cretABCDEFGHIJ0123 too"', '"see https://x/y/(hidden) too"'),
        ('{"note": "ghp_s3cABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}', '{"note": "(hidden)"}'),
        ('{"note": "task_live_1, npm_run and AIza"}', '{"note": "task_live_1, npm_run and AIza"}'),
        (
            '"<input value=\\"s3cret\\" type=\\"password\\"><p>3</p>"',
            '"<input value=\\"(hidden)\\" type=\\"password\\"><p>3</p>"',
        ),
        ('"<head><meta name=csrf-token content=s3cret>"', '"<head><meta name=csrf-token content=\\"(hidden)\\">"'),
        ('"<meta name=\\"csrf-token\\" content=\\"s3c…', None),
        ('"<input name=\\"kg\\" value=\\"3\\">"', '"<input name=\\"kg\\" value=\\"3\\">"'),
        ('"Key (token)=(s3cret) already exists."', '"Key (token)=((hidden)) already exists."'),
        ('"Digest qop=auth, nonce=\\"s3cret\\""', None),
        ('"Digest nonce=\\"s3cret\\", qop=auth"', None),
        ('"/cb?next=%2Fx%3Ftoken%3Ds3cret&lot=7"', '"/cb?next=(hidden)&lot=7"'),
        ('"password = s3cret"', '"password = (hidden)"'),
        ('"a = 1\\npassword = \\"s3cret\\""', None),
        ("\"'password' => 's3cret'\"", "\"'password' => (hidden)\""),
        ('"password -> s3cret"', '"password -> (hidden)"'),
        ("\"var apiKey = 's3cret';\"", '"var apiKey = (hidden);"'),
        ('"your verification code is s3cret."', '"your verification code is (hidden)"'),
        ('"password is required"', '"password is required"'),
        ('"the status code is 404"', '"the status code is 404"'),
        ('"invalid token \\"s3cret\\""', None),
        ("\"invalid api key 's3cret'\"", '"invalid api key (hidden)"'),
        ("\"Unexpected token '<' in JSON\"", "\"Unexpected token '<' in JSON\""),
        ('"Incorrect API key provided: s3cret. See"', '"Incorrect API key provided: (hidden) See"'),
        ('"<auth:Password Type=\\"x#Text\\">s3cret</auth:Password>"', None),
        ('"tool --token s3cret run --all"', '"tool --token (hidden) run --all"'),
        ('"curl -u bob:s3cret https://x"', '"curl -u (hidden) https://x"'),
        ('"https://x/reset-password/s3cret1q2w3e4r5t"', '"https://x/reset-password/(hidden)"'),
        ('"https://x/reset/s3cret1q2w3e4r5t?a=1"', '"https://x/reset/(hidden)?a=1"'),
        ('"https://x/lots/a1q2w3e4r5t6y7u8?a=1"', '"https://x/lots/a1q2w3e4r5t6y7u8?a=1"'),
        ('"id,password,kg\\n1,s3cret,2\\n2,,3"', '"id,password,kg\\n1,(hidden),2\\n2,,3"'),
        ('"id;token\\n1;\\"s3;s3cret\\""', None),
        ('"dear Ann, your password\\nhas ended, too"', '"dear Ann, your password\\nhas ended, too"'),
        ('"user: a\\npassword: |\\n  s3cret\\n  s3cret\\nkg: 3"', '"user: a\\npassword: (hidden)\\nkg: 3"'),
        ('"<param name=\\"password\\" value=\\"s3cret\\"/>"', '"<param name=\\"password\\" value=\\"(hidden)\\"/>"'),
        ("\"<add value='s3cret' key='DbPassword'/>\"", None),
        ('"<textarea name=\\"password\\">s3cret</textarea>"', '"<textarea name=\\"password\\">(hidden)</textarea>"'),
        ('"<key>password</key><string>s3cret</string>"', '"<key>password</key><string>(hidden)</string>"'),
        ('"<name>colour</name><value>red</value>"', '"<name>colour</name><value>red</value>"'),
        ('"sk-proj-s3cret0123456789abcdef too"', '"(hidden) too"'),
        ('"the sk-slovakia-bratislava-region"', '"the sk-slovakia-bratislava-region"'),
        ('"$2b$12$s3cretABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij012"', '"(hidden)"'),
        ('"https://hooks.slack.com/services/T0/B0/s3cretABCDEFGH"', '"https://(hidden)"'),
        ('"a -----BEGIN RSA PRIVATE KEY-----\\ns3c\\n-----END RSA PRIVATE KEY----- b"', '"a (hidden) b"'),
        ('"a -----BEGIN PRIVATE KEY-----\\ns3c…', '"a (hidden)…'),
        ('"see postgres://bob:s3c…', '"see postgres://(hidden)…'),
        ('"a \\u009b b \\ud800"', '"a \\u009b b \\ud800"'),
    ],
)
def test_a_secret_within_a_value_is_hidden(value: str, shown: str | None) -> None:
    """In URLs, forms, header lines, XML and JSON within JSON, cut or whole; what stands beside it stays."""
    assert "s3c" not in kept(value)
    assert shown is None or kept(value) == shown


def test_a_secret_within_a_larger_value_is_hidden() -> None:
    """An object that only one side has is shown without the secrets in it, also when it was cut short."""
    value = '{"id":1,"token":"s3cret","nested":{"password":"s3\\"cret"},"pin":1234,"auth":"s3cr'
    mismatch = Mismatch(Kind.EXTRA, "body/user", None, value)
    verdict = Redactor().verdict(Verdict(Outcome.ALLOWED, (), (Allowance(mismatch, "why", "f:1"),)))
    shown = verdict.allowed[0].mismatch.candidate
    assert shown is not None
    assert "s3" not in shown
    assert "1234" not in shown
    assert '"id":1' in shown


def test_a_long_secret_says_that_its_token_is_of_its_beginning() -> None:
    """Two of them that differ further on would look like one."""
    assert kept('"' + "s3cret" * 33 + "…", "body/password") == f'"{SHOWN}…'
    assert kept('"s3cret"', "body/password") == f'"{SHOWN}"'


def test_a_jwt_that_is_a_key_or_in_a_reason_is_hidden() -> None:
    """Keys are the backends' to choose, too."""
    verdict = Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, f"body/{JWT}/a", "1", "2"),), reason=f"repeats {JWT}")
    assert "eyJ" not in repr(Redactor().verdict(verdict))
