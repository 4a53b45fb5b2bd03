"""The parts of the reference that follow from code: the command line, the tables of settings and of metrics.

`python -m tests.docs.write` puts them into their documents; a test fails when they are not what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, EnumType
from typing import Any, cast

import typer

from gateway.app.service import RELOADED
from gateway.cli.tree import application
from gateway.metrics.catalogue import METRICS, Kind
from gateway.settings.model import Settings
from tests.docs.files import REFERENCE

BEGIN = "<!-- made by: python -m tests.docs.write -->"
END = "<!-- end -->"
ACCESS = {"admin_url", "token"}


def parts() -> dict[str, str]:
    """What stands between the marks of each document that has them, by the document's name."""
    return {"cli.md": commands_text(), "settings.md": settings_text(), "metrics.md": metrics_text()}


def merged(name: str) -> str:
    """A document with its generated part as it should be."""
    text = (REFERENCE / name).read_text()
    before, _, rest = text.partition(f"{BEGIN}\n")
    _, _, after = rest.partition(f"{END}\n")
    return f"{before}{BEGIN}\n\n{parts()[name]}\n{END}\n{after}"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, groups left out. The types are those of typer's own click."""
    yield from _below("strangler", typer.main.get_command(application))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for inner in command.commands.values():
        yield from _below(f"{name} {inner.name}", inner)


def parameters(command: Any) -> list[Any]:
    """A command's arguments and options without --help, --json and --debug, which all have."""
    context = command.make_context(command.name, [], resilient_parsing=True)
    common = {"--help", "--json", "--debug"}
    return [one for one in command.get_params(context) if not common & set(one.opts)]


def takes_settings(command: Any) -> bool:
    """Whether a command has an option for every setting."""
    return {"legacy", "shadow_queue"} <= {parameter.name for parameter in parameters(command)}


def asks_admin_plane(command: Any) -> bool:
    """Whether a command has the two options that say where the admin plane is and what opens it."""
    return {parameter.name for parameter in parameters(command)} >= ACCESS


def commands_text() -> str:
    """A section for each command."""
    return "\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: Any) -> str:
    shown = parameters(command)
    lines = [f"## {name}", "", _paragraphs(command.help), ""]
    if takes_settings(command):
        shown = [one for one in shown if one.name not in Settings.model_fields]
        lines += ["It has one option for every [setting](settings.md).", ""]
    if asks_admin_plane(command):
        shown = [one for one in shown if one.name not in ACCESS]
        lines += ["It asks the admin plane: `--admin-url` and `--token` are above.", ""]
    if shown:
        lines += ["| | | default |", "|---|---|---|", *map(_row, shown), ""]
    examples = re.sub(r"^[\b\s]*Examples:\n", "", command.epilog or "")
    if examples:
        lines += ["```sh", *(line.strip() for line in examples.splitlines()), "```", ""]
    return "\n".join(lines)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n")).replace("<", "&lt;")


def _row(parameter: Any) -> str:
    word = _word(parameter)
    if parameter.param_type_name == "option":
        name = "/".join([*parameter.opts, *parameter.secondary_opts])
        name = name if parameter.is_flag else f"{name} {word}"
    else:
        name = word if word == parameter.metavar else f"{parameter.name.upper()}: {word}"
    said = parameter.help or ""
    if parameter.envvar:
        said += f" Also `{parameter.envvar}`."
    return f"| `{_cell(name)}` | {_cell(said)} | {_cell(_default(parameter))} |"


def _word(parameter: Any) -> str:
    """What stands for the value: its choices, or its name."""
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, EnumType):
        return "|".join(str(choice.value) for choice in cast(type[Enum], kind))
    return str(parameter.metavar or parameter.name.upper())


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default is False or default in ("", ()):
        return ""
    return f"`{getattr(default, 'value', default)}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def settings_text() -> str:
    """The table of settings."""
    lines = ["| setting | default | reload | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{name}` | {setting_default(field)} | {reload_of(name)} | {_cell(str(field.description))} |")
    return "\n".join(lines) + "\n"


def reload_of(name: str) -> str:
    """Whether SIGHUP puts a setting in force."""
    if name == "new":
        return "a URL"
    return "yes" if name in RELOADED else ""


def setting_default(field: Any) -> str:
    """A default as the table shows it."""
    if field.is_required():
        return "required"
    if field.default is None or field.default == ():
        return "none"
    shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{shown}`"


def metrics_text() -> str:
    """The table of metrics."""
    lines = ["| metric | kind | labels | workers | meaning |", "|---|---|---|---|---|"]
    for metric in METRICS.values():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        together = metric.merge.value if metric.kind is Kind.GAUGE else "sum"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {together} | {metric.meaning} |")
    return "\n".join(lines) + "\n"
