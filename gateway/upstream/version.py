"""Which code a new side is that runs in this process: a digest of its source, so that evidence is about that code."""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

MAX_FILES: Final = 20_000  # a package that holds more is told apart by its first files


def version_of(name: str) -> str:
    """The digest of every source file of the top-level package of `module:factory`, empty where there is none.

    Nothing is imported. What the package imports from elsewhere is not in it.
    """
    top = name.partition(":")[0].partition(".")[0]
    spec = PathFinder.find_spec(top, ["", *sys.path])
    if spec is None:
        return ""
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [(file, str(file.relative_to(folder))) for folder in folders for file in folder.rglob("*.py")]
    if not folders and spec.origin is not None:
        files = [(Path(spec.origin), top)]
    digest = sha256()
    for file, shown in sorted(files, key=lambda each: each[1])[:MAX_FILES]:
        try:
            content = file.read_bytes()
        except OSError:  # it has gone since it was listed, or is not ours to read: then it is not what serves
            continue
        digest.update(f"{shown}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]
