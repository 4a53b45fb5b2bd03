"""Who answers follows from stage, bucket and key alone; in doubt legacy does."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Headers, Request, Side
from gateway.rollout.bucket import bucket
from gateway.rollout.decide import Decision, decide
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.rollout.stickiness import stickiness_key
from gateway.routing.route import Effect, Route, ShadowWrite, Stickiness
from gateway.routing.template import Template

PATH = Template.parse("/api/lots")


def route(effect: Effect = Effect.READ, stickiness: str = "header:x-user") -> Route:
    """A route of group `lots`."""
    return Route("lots.list", "GET", PATH, effect, "lots", Stickiness.parse(stickiness), PATH)


def request(headers: Headers = ((b"x-user", b"ann"),), ip: str = "10.0.0.9") -> Request:
    """A request with these headers."""
    return Request("id-1", "GET", b"/api/lots", b"/api/lots", headers, "http", ip, None)


def bearer(claims: object) -> Headers:
    """An Authorization header with an unsigned token of these claims."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    return ((b"authorization", b"Bearer e30." + payload + b".c2ln"),)


@pytest.mark.parametrize(
    ("stage", "side", "shadow"),
    [
        (Stage.LEGACY, Side.LEGACY, None),
        (Stage.SHADOW, Side.LEGACY, Side.NEW),
        (Stage.NEW, Side.NEW, Side.LEGACY),
        (Stage.RETIRED, Side.NEW, None),
    ],
)
def test_stage_says_who_answers_and_who_is_asked_beside(stage: Stage, side: Side, shadow: Side | None) -> None:
    """The table of stages, for a read that is always sampled."""
    decision = decide(route(), Flag("lots.list", stage=stage), request(), has_new=True)
    assert (decision.authoritative, decision.shadow) == (side, shadow)


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("effect", [Effect.WRITE, Effect.IDEMPOTENT])
def test_a_write_is_never_copied(stage: Stage, effect: Effect) -> None:
    """A copy of a write could write, so there is none in any stage."""
    assert decide(route(effect), Flag("r", stage=stage, canary=5_000), request(), has_new=True).shadow is None


def test_canary_takes_exactly_the_buckets_below_its_share() -> None:
    """A caller is on new when its bucket lies below the share, and stays there while the share grows."""
    place = bucket("lots", b"ann")

    def side(share: int) -> Side:
        flag = Flag("lots.list", stage=Stage.CANARY, canary=share)
        return decide(route(), flag, request(), has_new=True).authoritative

    assert side(place) is Side.LEGACY
    assert all(side(share) is Side.NEW for share in (place + 1, 9_999, 10_000))
    assert side(0) is Side.LEGACY


@pytest.mark.parametrize("stickiness", ["jwt.sub", "header:x-nobody", "cookie:sid"])
def test_a_caller_without_a_key_stays_on_legacy(stickiness: str) -> None:
    """A missing key is never a reason to be on new, even when the share is everybody."""
    flag = Flag("lots.list", stage=Stage.CANARY, canary=10_000)
    decision = decide(route(stickiness=stickiness), flag, request(), has_new=True)
    assert (decision.authoritative, decision.reason) == (Side.LEGACY, "canary_key_missing")


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.CANARY, Stage.NEW])
def test_without_a_new_side_legacy_answers(stage: Stage) -> None:
    """A gateway that was started without its new side must not lose requests for it."""
    flag = Flag("lots.list", stage=stage, canary=10_000)
    assert decide(route(), flag, request(), has_new=False) == Decision(Side.LEGACY, None, "no_new_side")


def test_a_retired_route_never_goes_back_by_itself() -> None:
    """Legacy is no longer contacted for a retired route, not even when new is missing."""
    assert decide(route(), Flag("r", stage=Stage.RETIRED), request(), has_new=False).authoritative is Side.NEW


def test_the_sample_keeps_a_callers_requests_together() -> None:
    """Sampling is by caller: the same caller is always in or always out."""
    flag = Flag("lots.list", stage=Stage.SHADOW, sample=5_000)
    callers = [((b"x-user", b"%d" % number),) for number in range(200)]
    first = [decide(route(), flag, request(caller), has_new=True).shadow for caller in callers]
    again = [decide(route(), flag, request(caller), has_new=True).shadow for caller in callers]
    assert first == again
    assert 60 < sum(shadow is Side.NEW for shadow in first) < 140


def test_stickiness_reads_each_kind() -> None:
    """The key is the token's subject, a header, a cookie or the client's address."""
    cookies = request(((b"cookie", b"a=1; sid=xyz"), (b"cookie", b"sid=late")))
    assert stickiness_key(Stickiness.parse("jwt.sub"), request(bearer({"sub": "u1"}))) == b"u1"
    assert stickiness_key(Stickiness.parse("header:X-User"), request()) == b"ann"
    assert stickiness_key(Stickiness.parse("cookie:sid"), cookies) == b"xyz"
    assert stickiness_key(Stickiness.parse("client_ip"), request()) == b"10.0.0.9"


@pytest.mark.parametrize("claims", [{}, [], "sub", None, {"sub": 7}, {"sub": ""}, {"sub": None}, {"sub": ["u"]}])
def test_a_token_without_a_usable_subject_is_no_key(claims: object) -> None:
    """Only a non-empty text is a subject."""
    assert stickiness_key(Stickiness.parse("jwt.sub"), request(bearer(claims))) is None


@given(st.binary(max_size=300))
def test_no_authorization_header_breaks_the_key(value: bytes) -> None:
    """Hostile bytes give a key or none, never an error."""
    for header in (value, b"Bearer " + value, b"Bearer a." + value + b".c"):
        key = stickiness_key(Stickiness.parse("jwt.sub"), request(((b"authorization", header),)))
        assert key is None or key


@pytest.mark.parametrize("effect", [Effect.WRITE, Effect.IDEMPOTENT])
@pytest.mark.parametrize("stage", Stage)
def test_a_write_is_rehearsed_in_shadow_alone_and_copied_never(effect: Effect, stage: Stage) -> None:
    """Where the route says that this is safe; legacy answers it."""
    flag = Flag("lots.create", stage=stage, canary=10_000)
    for shadow_write in ShadowWrite:
        written = replace(route(effect), method="POST", shadow_write=shadow_write)
        decision = decide(written, flag, request(), has_new=True)
        assert decision.shadow is None
        assert decision.rehearsed is (stage is Stage.SHADOW and shadow_write is ShadowWrite.ROLLED_BACK)
        assert not decision.rehearsed or decision.authoritative is Side.LEGACY


def test_a_share_of_the_callers_has_its_writes_rehearsed() -> None:
    """By caller, as reads are compared; nobody with a sample of nothing, and never without a new side."""
    written = replace(route(Effect.WRITE), method="POST", shadow_write=ShadowWrite.ROLLED_BACK)
    callers = [request(((b"x-user", str(number).encode()),)) for number in range(2_000)]

    def rehearsed(sample: int, *, has_new: bool = True) -> int:
        flag = Flag("lots.create", stage=Stage.SHADOW, sample=sample)
        return sum(decide(written, flag, caller, has_new=has_new).rehearsed for caller in callers)

    assert rehearsed(0) == rehearsed(10_000, has_new=False) == 0
    assert 100 < rehearsed(1_000) < 300
    assert rehearsed(10_000) == 2_000


@pytest.mark.parametrize(
    ("effect", "shadow_write", "stage", "noted"),
    [
        (Effect.READ, ShadowWrite.NEVER, Stage.LEGACY, False),
        (Effect.READ, ShadowWrite.NEVER, Stage.SHADOW, True),
        (Effect.READ, ShadowWrite.NEVER, Stage.CANARY, True),
        (Effect.READ, ShadowWrite.NEVER, Stage.NEW, False),
        (Effect.WRITE, ShadowWrite.ROLLED_BACK, Stage.SHADOW, True),
        (Effect.WRITE, ShadowWrite.ROLLED_BACK, Stage.CANARY, True),
        (Effect.WRITE, ShadowWrite.NEVER, Stage.SHADOW, False),
    ],
)
def test_what_legacy_serves_outside_the_sample_is_noted(
    effect: Effect, shadow_write: ShadowWrite, stage: Stage, noted: bool
) -> None:
    """Where others of the route are compared; whoever is in the sample is compared and needs no note."""
    asked, one = request(), replace(route(effect), shadow_write=shadow_write)
    assert decide(one, Flag("r", stage=stage, sample=0), asked, has_new=True).noted is noted
    assert decide(one, Flag("r", stage=stage, sample=0), asked, has_new=False).noted is False
    if effect is Effect.READ:
        assert decide(one, Flag("r", stage=stage), asked, has_new=True).noted is False
