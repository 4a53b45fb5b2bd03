"""Addresses are looked at before anything is started."""

from __future__ import annotations

import socket

import pytest

from gateway.cli.output import Code, Trouble
from gateway.cli.ports import free_port, insist_on_free, why_not


def test_busy_port_is_named_with_its_option() -> None:
    """A port that somebody listens on is refused in a sentence that names the port and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = why_not("127.0.0.1", port, "--listen")
    assert sentence is not None
    assert str(port) in sentence
    assert "--listen" in sentence
    assert "in use" in sentence


def test_free_port_is_fine() -> None:
    """A port nobody listens on is no problem."""
    assert why_not("127.0.0.1", free_port("127.0.0.1"), "--listen") is None


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_foreign_host_is_refused(host: str) -> None:
    """A host that is not this machine is refused with a sentence."""
    sentence = why_not(host, 8080, "--admin")
    assert sentence is not None
    assert host in sentence
    assert "--admin" in sentence


def test_two_options_with_one_address_are_refused() -> None:
    """Two parts cannot listen on one address, even while it is free."""
    port = free_port("127.0.0.1")
    with pytest.raises(Trouble) as caught:
        insist_on_free({"--listen": ("127.0.0.1", port), "--admin": ("127.0.0.1", port)})
    assert caught.value.code is Code.WRONG
    assert "--listen and --admin" in caught.value.sentence


def test_any_port_is_no_double() -> None:
    """Port 0 means any, so two of them are two different ports."""
    insist_on_free({"--listen": ("127.0.0.1", 0), "--admin": ("127.0.0.1", 0)})
    assert free_port("127.0.0.1") > 0
