"""The demo's small parts, each alone: its folder, its secrets, its children, its patience."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from gateway.cli.demo.files import Folder, Hold, read_object, take, write_object
from gateway.cli.demo.parts import Child, Program
from gateway.cli.demo.reset import reset
from gateway.cli.demo.secrets import keep_secrets
from gateway.cli.demo.signals import Wish
from gateway.cli.demo.supervise import Watch, look_after, stop_all
from gateway.cli.output import Trouble

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A state folder."""
    made = Folder(tmp_path / "state")
    made.make()
    return made


@pytest.fixture
def child(folder: Folder) -> Iterator[Callable[[str], Child]]:
    """Makes children that run a line of Python; they are gone after the test."""
    made: list[Child] = []

    def make(code: str) -> Child:
        log = folder.logs / f"{len(made)}.log"
        program = Program("part", (sys.executable, "-c", code), dict(os.environ), log, lambda: "up" in log.read_text())
        made.append(Child(program))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_secrets_are_made_once_and_for_the_owner_alone(folder: Folder) -> None:
    """The second start finds the secrets of the first, in a file that nobody else can read."""
    first = keep_secrets(folder)
    assert keep_secrets(folder) == first
    assert stat.S_IMODE(folder.secrets.stat().st_mode) == 0o600
    assert len(first.jwt_secret) >= 32


def test_anon_key_opens_the_project(folder: Folder) -> None:
    """The anon key is a token of the project's own secret, with the role the browser has."""
    made = keep_secrets(folder)
    claims = jwt.decode(made.anon_key, OctKey.import_key(made.jwt_secret)).claims
    assert claims["role"] == "anon"
    assert claims["exp"] > time.time() + 365 * 24 * 3600


def test_file_that_cannot_be_read_counts_as_empty(folder: Folder) -> None:
    """A torn or foreign demo.json is no reason to fail."""
    folder.notes.write_text('{"admin_token": ')
    assert read_object(folder.notes) == {}
    folder.notes.write_text("[1]")
    assert read_object(folder.notes) == {}


def test_written_file_is_private_even_when_the_old_one_was_not(folder: Folder) -> None:
    """A file that was readable by all is replaced, not filled."""
    folder.notes.write_text("{}")
    folder.notes.chmod(0o644)
    write_object(folder.notes, {"admin_token": "t"})
    assert stat.S_IMODE(folder.notes.stat().st_mode) == 0o600
    assert [path.name for path in folder.root.iterdir() if path.name.startswith("demo.json.")] == []


def test_folder_belongs_to_one_demo(folder: Folder) -> None:
    """Who comes second learns who is there; after the first has gone the folder is free."""
    hold = take(folder)
    assert isinstance(hold, Hold)
    assert take(folder) == os.getpid()
    hold.release()
    again = take(folder)
    assert isinstance(again, Hold)
    again.release()


def test_state_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """A file in the way is told with the option that helps."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(Trouble, match="--state"):
        Folder(tmp_path / "taken").make()


def test_child_says_how_it_ended(child: Callable[[str], Child]) -> None:
    """An exit code and a signal are told apart, and the log is kept."""
    ended = child("print('last words'); raise SystemExit(7)")
    assert ended.start() is None
    assert until(lambda: not ended.is_alive())
    assert ended.last_words() == "ended with exit code 7"
    assert ended.log_tail() == "last words"
    killed = child("import time; time.sleep(60)")
    killed.start()
    killed.kill()
    assert killed.last_words() == "was killed by SIGKILL"


def test_program_that_is_not_there_is_a_sentence(folder: Folder) -> None:
    """A missing program is told by name."""
    missing = Child(Program("part", ("/no/such/program",), {}, folder.logs / "x", lambda: False))
    sentence = missing.start()
    assert sentence is not None
    assert "/no/such/program" in sentence


def test_kill_ends_what_the_child_has_started(child: Callable[[str], Child]) -> None:
    """A grandchild does not outlive its session."""
    parent = child(
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print('up', p.pid, flush=True); time.sleep(60)"
    )
    parent.start()
    assert until(parent.is_ready)
    grandchild = psutil.Process(int(parent.log_tail().split()[1]))
    parent.kill()
    assert until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG exists on Linux alone")
def test_child_dies_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    """kill -9 of the demo takes its children along."""
    code = (
        "import sys, time; from pathlib import Path; from gateway.cli.demo.parts import Child, Program\n"
        "sleep = (sys.executable, '-c', 'import time; time.sleep(60)')\n"
        f"c = Child(Program('p', sleep, {{}}, Path({str(tmp_path)!r}) / 'log', lambda: True))\n"
        "c.start(); print(c._process.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        orphan = psutil.Process(int(demo.stdout.readline()))
        assert orphan.is_running()
        demo.kill()
    assert until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_dead_part_is_started_again_after_a_pause_that_grows(child: Callable[[str], Child]) -> None:
    """A part that keeps dying is started less and less often, and each time is told."""
    said: list[str] = []
    watch = Watch(child("raise SystemExit(1)"))
    watch.part.start()
    now = time.monotonic()
    for _ in range(3):
        assert until(lambda: not watch.part.is_alive())
        look_after(watch, now=now, say=said.append)
        assert watch.due is not None
        look_after(watch, now=watch.due - 0.01, say=said.append)
        assert watch.due is not None, "too early"
        now = watch.due
        look_after(watch, now=now, say=said.append)
        assert watch.due is None
    assert [line.rsplit(" in ", 1)[1] for line in said] == ["0.5 s", "1 s", "2 s"]
    assert said[0].startswith("part ended with exit code 1")


def test_part_that_comes_back_is_told(child: Callable[[str], Child]) -> None:
    """Once a restarted part answers, one line says so."""
    said: list[str] = []
    watch = Watch(child("print('up', flush=True); import time; time.sleep(60)"), answered=False)
    watch.part.start()
    assert until(watch.part.is_ready)
    look_after(watch, now=time.monotonic(), say=said.append)
    look_after(watch, now=time.monotonic(), say=said.append)
    assert said == ["part is back"]


def test_part_that_lives_but_never_answers_is_replaced(child: Callable[[str], Child]) -> None:
    """A part that hangs in its start is ended and started again."""
    said: list[str] = []
    watch = Watch(child("import time; time.sleep(60)"), answered=False)
    watch.part.start()
    look_after(watch, now=watch.started + 46, say=said.append)
    assert not watch.part.is_alive()
    assert "did not answer" in said[0]


def test_second_wish_stops_at_once(child: Callable[[str], Child]) -> None:
    """A part that ignores the friendly signal is killed without waiting when somebody asks twice."""
    stubborn = child(STUBBORN)
    stubborn.start()
    assert until(stubborn.is_ready)
    with Wish() as wish:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert until(lambda: wish.to_stop_at_once)
        begun = time.monotonic()
        stop_all([stubborn], wish=wish)
    assert time.monotonic() - begun < 5  # it has 6 when nobody asks twice
    assert not stubborn.is_alive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_to_stop_is_heard_and_given_back(number: signal.Signals) -> None:
    """All three signals are a wish to stop while the demo runs, and what they were before afterwards."""
    before = signal.getsignal(number)
    with Wish() as wish:
        assert not wish.to_stop
        os.kill(os.getpid(), number)
        wish.pause(5)
        assert wish.to_stop
        assert not wish.to_stop_at_once
    assert signal.getsignal(number) is before


def test_terminal_that_is_gone_is_a_wish_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the window is closed and nobody passes the signal on, the demo notices by itself."""
    master, slave = os.openpty()
    with open(slave) as terminal, monkeypatch.context() as changed:
        changed.setattr(sys, "stdin", terminal)
        with Wish() as wish:
            wish.pause(0)
            assert not wish.to_stop
            os.close(master)
            wish.pause(0)
            assert wish.to_stop
            assert wish.why == "SIGHUP"


def test_reset_of_nothing_is_fine(tmp_path: Path) -> None:
    """Where no demo was, there is nothing to forget."""
    assert reset(Folder(tmp_path / "none")) is False


def test_reset_does_not_remove_a_foreign_folder(tmp_path: Path) -> None:
    """A folder that no demo has made is left alone, whatever --state says."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Trouble, match="not made by a demo"):
        reset(Folder(tmp_path))
    assert (tmp_path / "thesis.txt").exists()


def test_reset_ends_the_demo_that_runs_and_removes_all(folder: Folder) -> None:
    """A holder that does not listen is killed in the end; nothing is left of the folder."""
    code = (
        "import sys, time; from pathlib import Path; from gateway.cli.demo.files import Folder, take\n"
        f"hold = take(Folder(Path({str(folder.root)!r}))); print('held', flush=True); time.sleep(60)\n"
    )
    write_object(folder.notes, {"admin_token": "t"})
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert reset(folder) is True
        assert holder.wait(5) == -signal.SIGTERM
    assert not folder.root.exists()
