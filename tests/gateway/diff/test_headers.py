"""Headers are compared by what they mean to a client."""

from __future__ import annotations

import pytest

from gateway.diff.compare import compare
from gateway.diff.headers import COMPARED
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Headers, Side
from tests.gateway.diff.answers import TODAY, answer, only


def judged(control: Headers, candidate: Headers, *, more: frozenset[str] = frozenset()) -> Verdict:
    """The verdict on two answers that differ in their headers."""
    legacy, new = answer(Side.LEGACY, headers=control), answer(Side.NEW, headers=candidate)
    return compare(legacy, new, Rules(headers=more), today=TODAY)


@pytest.mark.parametrize(
    ("name", "control", "candidate"),
    [
        ("content-type", "application/json; charset=utf-8", "Application/JSON"),
        ("content-type", "text/html; charset=UTF-8", 'text/html;charset="utf-8"'),
        ("location", "http://legacy:3001/api/lots/1?a=b", "/api/lots/1?a=b"),
        ("vary", "Origin, Accept-Encoding", "accept-encoding,origin"),
        ("cache-control", "no-cache, max-age=0", "max-age=0,no-cache"),
        ("access-control-allow-methods", "GET,HEAD,PUT", "PUT, GET, HEAD"),
        ("set-cookie", "sid=abc; Path=/; HttpOnly; SameSite=Lax", "sid=xyz; HttpOnly; path=/; samesite=lax"),
        ("set-cookie", "sid=a; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "sid=a; Max-Age=3600"),
        ("set-cookie", "sid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "sid=; Max-Age=0"),
        ("link", "<http://a/x?p=2>; rel=next, </y>; rel=last", "</y>; rel=last,</x?p=2>;rel=next"),
        ("content-security-policy", "Default-src 'self' https:; img-src *", "img-src *;default-src https: 'self';"),
        ("www-authenticate", 'Bearer realm="a, b", error=x', 'bearer error="x" ,realm = "a, b"'),
        ("www-authenticate", 'Digest nonce="a=", opaque="b", qop="auth", realm=c', 'Digest realm=c,qop=auth,nonce="d"'),
        ("www-authenticate", 'Basic realm="a", Bearer', 'Bearer, Basic realm="a"'),
        ("www-authenticate", 'Bearer realm="http://legacy:3001/token"', 'Bearer realm="https://new/token"'),
        ("www-authenticate", "Negotiate YWJj==", "Negotiate ZGVm=="),
        ("location", "/caf\u00c3\u00a9", "/caf%C3%A9"),
        ("link", '</a>; REL="Next  prev"; crossorigin', '</a>;crossorigin;rel="prev next"'),
        ("expires", "0", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("expires", "Sat, 21 Nov 2026 07:00:00 GMT", "Sat, 21 Nov 2026 07:00:30 GMT"),
        ("retry-after", "Sat, 21 Nov 2026 07:00:00 GMT", "Sat, 21 Nov 2026 07:00:01 GMT"),
        ("date", "Fri, 20 Nov 2026 23:00:00 GMT", "Fri, 20 Nov 2026 23:00:01 GMT"),
        ("etag", 'W/"1"', 'W/"2"'),
        ("x-powered-by", "Express", ""),
        ("content-length", "10", "11"),
        ("last-modified", "Fri, 20 Nov 2026 23:00:00 GMT", "Fri, 20 Nov 2026 23:00:01 GMT"),
        ("content-type", "text/plain; charset=utf8", "text/plain;charset=UTF-8"),
        ("content-type", "text/plain; charset=latin1", "TEXT/plain; format=flowed; charset=ISO-8859-1"),
        ("content-type", "image/png; charset=utf-8", "image/png"),
        ("content-type", "multipart/mixed; boundary=a", "multipart/mixed; boundary=b"),
        ("location", "//legacy/a%7eb?x=%41", "/a~b?x=A"),
        ("location", "http://legacy:3001", "/"),
        ("vary", "Accept-Encoding", ""),
        ("vary", "Accept-Encoding, Origin", "Origin"),
        ("set-cookie", "a=1; Domain=.example.org; HttpOnly", "a=2; domain=Example.org; httponly"),
        ("set-cookie", "a=1; Max-Age=60; Expires=Sat, 21 Nov 2026 07:01:00 GMT", "a=1; Max-Age=60"),
        ("set-cookie", "a=gone; Max-Age=0", 'a=""; Max-Age=-1'),
        ("strict-transport-security", "max-age=1; includeSubDomains", "max-age=1;includesubdomains"),
        ("content-disposition", 'attachment; filename="a.csv"', "Attachment;filename=a.csv"),
        ("content-security-policy", "a 'nonce-x'; b  c", "b c;a 'nonce-y'"),
        ("link", '</x>; rel="next"; title=a', "<http://b/x>;title=a;rel=next"),
    ],
)
def test_the_same_in_other_words_matches(name: str, control: str, candidate: str) -> None:
    """Order, case and the server's own names and times mean nothing."""
    headers = ((name.title().encode(), control.encode("latin-1")),), ((name.encode(), candidate.encode()),)
    assert judged(*headers).outcome is Outcome.MATCHED


@pytest.mark.parametrize(
    ("name", "control", "candidate"),
    [
        ("content-type", "application/json", "text/html"),
        ("content-type", "text/html; charset=utf-8", "text/html"),
        ("location", "/a?x=1", "/a?x=2"),
        ("vary", "origin", "origin, cookie"),
        ("set-cookie", "sid=a; HttpOnly", "sid=a"),
        ("set-cookie", "sid=a", "session=a"),
        ("set-cookie", "sid=a; Max-Age=3600", "sid=a; Max-Age=0"),
        ("set-cookie", "sid=a; Path=/", "sid=a; Path=/api"),
        ("cache-control", "private", "public"),
        ("access-control-allow-origin", "*", "https://flowviz.example"),
        ("www-authenticate", "Bearer", "Basic"),
        ("www-authenticate", 'Bearer error="invalid_token"', 'Bearer error="insufficient_scope"'),
        ("www-authenticate", "Bearer", 'Bearer error="invalid_token"'),
        ("www-authenticate", 'Bearer realm="a", Basic realm="b"', 'Bearer realm="b", Basic realm="a"'),
        ("www-authenticate", 'Basic realm="staging"', 'Basic realm="production"'),
        ("retry-after", "30", "31"),
        ("retry-after", "30", "soon"),
        ("retry-after", "Sat, 21 Nov 2026 07:00:00 GMT", "Sat, 21 Nov 2026 08:00:00 GMT"),
        ("expires", "0", "Sat, 21 Nov 2026 07:00:00 GMT"),
        ("expires", "Sat, 21 Nov 2026 07:00:00 GMT", "Sat, 21 Nov 2026 08:00:00 GMT"),
        ("referrer-policy", "no-referrer, strict-origin", "strict-origin, no-referrer"),
        ("link", "</a>; rel=next; title=Next", "</a>; rel=next; title=next"),
        ("link", '</a>; rel=next; title="one two"', '</a>; rel=next; title="two one"'),
        ("link", "</a>; rel=preload; crossorigin", "</a>; rel=preload"),
        ("content-disposition", "inline", "attachment"),
        ("x-frame-options", "DENY", "SAMEORIGIN"),
        ("content-type", "text/plain; charset=utf-8", "text/plain; charset=latin1"),
        ("location", "/a%2Fb", "/a/b"),
        ("location", "/a#x", "/a#y"),
        ("set-cookie", "a=1; Max-Age=3600", "a=1; Max-Age=60"),
        ("set-cookie", "a=1; Max-Age=3600", "a=1"),
        ("set-cookie", "a=1; SameSite=Lax", "a=1; SameSite=None"),
        ("set-cookie", "a=1; Secure", "a=1"),
        ("set-cookie", "a=1; Domain=a.org", "a=1; Domain=b.org"),
        ("set-cookie", "a=1", "a="),
        ("content-disposition", 'attachment; filename="a.csv"', 'attachment; filename="b.csv"'),
        ("content-security-policy", "default-src 'self'; img-src *", "default-src 'self', img-src *"),
        ("content-security-policy", "default-src 'self'; img-src *", "default-src *; img-src 'self'"),
        ("link", "</x>; rel=next", "</x>; rel=prev"),
        ("link", "/x; rel=next", "/y; rel=next"),
        ("set-cookie", "a=1; Expires=Sat Nov 21 08:00:00 2099", "a=1"),
        ("x-total-count", "10", "11"),
        ("content-range", "0-9/100", "0-9/101"),
    ],
)
def test_another_meaning_is_a_mismatch(name: str, control: str, candidate: str) -> None:
    """The place is the header's name in lower case."""
    verdict = judged(((name.encode(), control.encode()),), ((name.encode(), candidate.encode()),))
    assert only(verdict).where == f"header/{name}"


@pytest.mark.parametrize("name", sorted(COMPARED))
def test_a_compared_header_that_is_missing_is_a_mismatch(name: str) -> None:
    """On either side, and its absence shows as nothing."""
    header = ((name.encode(), b"text/plain"),)
    assert only(judged(header, ())).candidate is None
    assert only(judged((), header)).control is None


def test_the_life_of_a_cookie_is_measured_from_its_answer() -> None:
    """One side says a moment, the other seconds; they were asked one after the other."""

    def given(date: bytes, cookie: bytes) -> Headers:
        return ((b"Date", date), (b"Set-Cookie", cookie))

    moment = given(b"Sat, 21 Nov 2026 07:00:00 GMT", b"a=1; Expires=Sat, 21 Nov 2026 08:00:00 GMT")
    later = given(b"Sat, 21 Nov 2026 07:10:00 GMT", b"a=1; Expires=Sat, 21-Nov-2026 08:10:01 GMT")
    assert judged(moment, later).outcome is Outcome.MATCHED
    assert judged(moment, ((b"set-cookie", b"a=1; Max-Age=3600"),)).outcome is Outcome.MATCHED
    assert only(judged(moment, ((b"set-cookie", b"a=1; Max-Age=7200"),))).where == "header/set-cookie"
    ended = given(b"Sat, 21 Nov 2026 07:10:00 GMT", b"a=1; Expires=Sat, 21 Nov 2026 07:09:59 GMT")
    assert only(judged(moment, ended)).where == "header/set-cookie"


def test_a_wait_is_measured_from_its_answer() -> None:
    """Seconds and a moment may say the same; another wait is another answer, however near the moments are."""

    def given(date: bytes, wait: bytes) -> Headers:
        return ((b"Date", date), (b"Retry-After", wait))

    seconds = given(b"Sat, 21 Nov 2026 07:00:00 GMT", b"600")
    moment = given(b"Sat, 21 Nov 2026 07:30:00 GMT", b"Sat, 21 Nov 2026 07:40:00 GMT")
    sooner = given(b"Sat, 21 Nov 2026 07:30:00 GMT", b"Sat, 21 Nov 2026 07:35:00 GMT")
    assert judged(seconds, moment).outcome is Outcome.MATCHED
    assert only(judged(seconds, sooner)).where == "header/retry-after"


def test_a_second_cookie_is_not_lost() -> None:
    """Several lines of one name are all compared."""
    first, second = (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=2")
    assert judged((first, second), (second, first)).outcome is Outcome.MATCHED
    assert only(judged((first, second), (first,))).where == "header/set-cookie"


def test_a_cookie_is_shown_without_its_value() -> None:
    """A report is no place for what opens somebody's session."""
    mismatch = only(judged(((b"set-cookie", b"sid=secret; Secure"),), ()))
    assert mismatch.control == '"sid; secure"'


def test_a_contract_can_have_more_headers_compared() -> None:
    """Those are compared as they are written."""
    control, candidate = ((b"X-Kilos", b"1"),), ((b"x-kilos", b"2"),)
    assert judged(control, candidate).outcome is Outcome.MATCHED
    assert only(judged(control, candidate, more=frozenset({"x-kilos"}))).where == "header/x-kilos"
