"""The options of a command that takes every setting: made from Settings, and only when it is asked for.

Pydantic is slow to import, so `strangler --help` and the other commands must not meet it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer
from typer.core import TyperCommand

from gateway.cli.output import Code, Trouble

if TYPE_CHECKING:
    from gateway.settings.model import Settings

_GIVEN = "strangler.settings"


class TakesSettings(TyperCommand):
    """A command with one option per setting; their values reach it through `settings_of(context)`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Every setting, then the command's own options."""
        return [*_setting_options(), *super().get_params(ctx)]

    def invoke(self, ctx: Any) -> Any:
        """Take the settings out of the parameters, because the function behind the command names none."""
        from gateway.settings.model import Settings

        ctx.meta[_GIVEN] = {name: ctx.params.pop(name) for name in Settings.model_fields}
        return super().invoke(ctx)


def reader_of(context: typer.Context) -> Callable[[], Settings | list[str]]:
    """Reads the settings again, as they are by then in the environment and the file; problems are sentences."""
    from gateway.settings.reading import read_settings

    return partial(read_settings, **context.meta[_GIVEN])


def settings_of(context: typer.Context) -> Settings:
    """The settings from options, environment and file; problems are wrong configuration."""
    settings = reader_of(context)()
    if isinstance(settings, list):
        raise Trouble(Code.WRONG, "bad_settings", "\n".join(settings), problems=settings)
    return settings


@cache  # click asks for a command's parameters more than once
def _setting_options() -> list[Any]:
    from gateway.settings.model import Settings

    def settings(**_: Any) -> None: ...

    parameters = [_option(name, field) for name, field in Settings.model_fields.items()]
    settings.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # typer reads the signature
    settings.__annotations__ = {one.name: one.annotation for one in parameters}
    application = typer.Typer(add_completion=False)
    application.command()(settings)
    made = typer.main.get_command(application).params
    return [parameter for parameter in made if parameter.name in Settings.model_fields]


def _option(name: str, field: Any) -> Parameter:
    kind: Any
    flag = name.replace("_", "-")
    if field.annotation is bool:
        kind, option = bool, typer.Option(f"--{flag}/--no-{flag}", help=_help(field), show_default=False)
    else:
        kind, option = str, typer.Option(f"--{flag}", help=_help(field), show_default=False, metavar=_word(name, field))
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


def _help(field: Any) -> str:
    default = field.default
    if field.is_required() or default is None or default == ():
        return str(field.description)
    shown = ("yes" if default else "no") if isinstance(default, bool) else str(default)
    return f"{field.description} Default: {shown}."


def _word(name: str, field: Any) -> str:
    """What stands for the value in the help."""
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        return "|".join(choices)
    if field.annotation is int:
        return "N"
    if name.endswith("_s"):
        return "SECONDS"
    return _WORDS.get(name, "TEXT")


_WORDS: Final = {
    "legacy": "URL,...",
    "new": "URL,...|MODULE:FACTORY",
    "legacy_ca": "FILE",
    "new_ca": "FILE",
    "contracts": "DIR",
    "listen": "HOST:PORT",
    "admin": "HOST:PORT",
    "admin_hosts": "HOST,...",
    "database_url": "URL",
    "state": "DIR",
    "trusted_proxies": "CIDR,...",
    "max_rate_per_client": "N",
    "shadow_headers_legacy": "HEADERS",
    "shadow_headers_new": "HEADERS",
    "redaction_key": "SECRET",
    "rollback_webhook": "URL",
    "rollback_webhook_key": "SECRET",
    "access_log": "SHARE",
    "access_log_file": "FILE",
    "override_secret": "SECRET",
}
