"""The wire of the admin API: what bodies may hold, and how routes, changes and findings are written."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.admin.service import RouteView
from gateway.db.flags import FlagChange, Setting
from gateway.db.tokens import Token
from gateway.rollout.flag import Change, Flag
from gateway.rollout.plan import Live
from gateway.rollout.stage import Stage

Json = dict[str, Any]


def _plain(text: str) -> str:
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in "\n\t" for each in text):
        raise ValueError("control characters are not allowed")
    return text


Reason = Annotated[str, Field(max_length=2_000), AfterValidator(_plain)]


class WireBody(BaseModel):
    """A body: nothing unknown in it, nothing read for something else."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FlagBody(WireBody):
    """A wanted change of a flag; shares are counted in 1/10,000, and a share left out stays as it is."""

    stage: Stage
    canary: int | None = None
    sample: int | None = None
    reason: Reason = ""
    force: bool = False

    def change(self) -> Change:
        return Change(self.stage, self.canary, self.sample, self.reason, self.force)


class RollbackBody(WireBody):
    """Why a route goes back; nobody has to say."""

    reason: Reason = ""


class TokenBody(WireBody):
    """A token to be made."""

    name: str
    role: Literal["viewer", "operator", "admin"]


def reasons(error: ValidationError) -> list[str]:
    """What is wrong with a body, a sentence each, without repeating the body."""
    listed = error.errors(include_input=False, include_url=False, include_context=False)
    return [
        f"{'.'.join(str(part)[:100] for part in each['loc']) or 'body'}: {each['msg'].removeprefix('Value error, ')}"
        for each in listed[:20]
    ]


def flag_json(flag: Flag) -> Json:
    return {**_setting(flag), "set_by": flag.set_by, "reason": flag.reason}


def route_json(view: RouteView) -> Json:
    route = view.route
    return {
        "key": route.key,
        "method": route.method,
        "path": route.template.text,
        "effect": route.effect,
        "group": route.group,
        "new_path": route.new_path.text,
        "shadow_write": route.shadow_write,
        "has_new": view.has_new,
        "flag": flag_json(view.flag),
    }


def change_json(change: FlagChange) -> Json:
    return {
        "id": change.id,
        "at": change.at.isoformat(),
        "by": change.by,
        "reason": change.reason,
        "move": change.move,
        "forced": change.forced,
        "before": _setting(change.before),
        "after": _setting(change.after),
    }


def token_json(token: Token) -> Json:
    return {"name": token.name, "role": token.role.word, "created_at": token.created_at.isoformat()}


def live_json(live: Live) -> Json:
    """What this process acts on, and since when it may be out of date."""
    plan = live.known
    return {
        "ready": not live.draining,
        "fresh": live.fresh,
        "source": plan.source,
        "why_stale": live.why_stale,
        "newest_version": max((flag.version for flag in plan.flags.values()), default=0),
        "routes": len(plan.table.routes),
        "panic": live.plan.panicked,
    }


def _setting(flag: Flag | Setting) -> Json:
    return {"stage": flag.stage, "canary": flag.canary, "sample": flag.sample, "version": flag.version}
