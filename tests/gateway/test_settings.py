"""Settings come in one order, and a wrong one is a sentence that names the option, the variable and the file."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.settings.addresses import origins, split_address
from gateway.settings.model import Settings
from gateway.settings.reading import read_settings
from tests.gateway.upstream.certificates import Authority


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read no file and no variable but the test's own."""
    monkeypatch.chdir(tmp_path)


def read(**options: object) -> Settings:
    """Settings that must be right."""
    found = read_settings(**options)
    assert isinstance(found, Settings), found
    return found


def wrong(**options: object) -> list[str]:
    """The sentences about settings that must be wrong."""
    found = read_settings(**options)
    assert isinstance(found, list)
    return found


def test_an_option_wins_over_a_variable_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Option, variable, file, default."""
    Path("strangler.yaml").write_text("legacy: http://file:1\nlisten: 127.0.0.1:1\ntimeout_s: 7\n")
    monkeypatch.setenv("STRANGLER_LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("STRANGLER_LEGACY", "http://variable:1")
    settings = read(legacy="http://option:1")
    assert (settings.legacy, settings.listen, settings.timeout_s) == ("http://option:1", "127.0.0.1:2", 7.0)
    assert settings.admin == "127.0.0.1:9901"


@pytest.mark.parametrize(
    "legacy",
    ["nope", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://u:p@x", "http://x/api", "http://x?a"],
)
def test_a_legacy_that_is_no_origin_is_told(legacy: str) -> None:
    """Only scheme, host and port make an origin; the sentence names all three ways to set it."""
    (sentence,) = wrong(legacy=legacy)
    assert "--legacy" in sentence
    assert "STRANGLER_LEGACY" in sentence
    assert "strangler.yaml" in sentence


@pytest.mark.parametrize("new", ["a b", "module", "module:", ":build", "mod-ule:build", "ftp://x"])
def test_a_new_side_that_is_neither_url_nor_factory_is_told(new: str) -> None:
    """The new side is a URL or module:factory."""
    assert "new" in wrong(legacy="http://x", new=new)[0]


@pytest.mark.parametrize("content", ["legacy: [\n", "- a\n- b\n", "\x00", "legacy: &a [*a]\n"])
def test_a_broken_file_is_a_sentence(content: str) -> None:
    """What is not YAML, or no keys and values, is told with the file's name."""
    Path("strangler.yaml").write_text(content)
    assert "strangler.yaml" in wrong()[0]


def test_an_unknown_key_is_told() -> None:
    """A typing error in the file is told with what is nearest to it."""
    Path("strangler.yaml").write_text("legacy: http://x\ntimeout: 5\n")
    assert wrong() == ["timeout is not a setting; is timeout_s meant?"]


def test_lists_are_read_from_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks and names may be given with commas between them."""
    monkeypatch.setenv("STRANGLER_TRUSTED_PROXIES", "10.0.0.0/8, ::1/128")
    settings = read(legacy="http://x", admin_hosts="gateway.internal, 10.0.0.5")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.admin_hosts == ("gateway.internal", "10.0.0.5")


def test_an_address_splits_into_host_and_port() -> None:
    """An IPv6 host loses its brackets."""
    assert split_address("[::1]:8080") == ("::1", 8080)
    assert split_address("0.0.0.0:80") == ("0.0.0.0", 80)


def test_a_secret_that_can_be_guessed_is_refused_and_none_is_shown() -> None:
    """The sentence says how short it is, not what it is; a good one is in no printout of the settings."""
    (sentence,) = wrong(legacy="http://x", override_secret="gu3ssable")
    assert "32 bytes" in sentence
    assert "gu3ssable" not in sentence
    good = "thirty-two bytes and a little more"
    settings = read(legacy="http://x", override_secret=good)
    assert good not in f"{settings!r}{settings.model_dump_json()}"


@pytest.mark.parametrize("share", ["-0.1", "1.1", "nan", "inf", "all"])
def test_a_share_of_the_access_log_lies_between_nothing_and_everything(share: str) -> None:
    """A percentage is not meant."""
    assert "--access-log" in wrong(legacy="http://x", access_log=share)[0]


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("http://a:3001, http://b:3001/", "http://a:3001,http://b:3001"),
        ("unix:/run/legacy.sock", "unix:/run/legacy.sock"),
        ("unix:///run/a.sock,unix:/run/b.sock", "unix:/run/a.sock,unix:/run/b.sock"),
    ],
)
def test_a_side_may_be_at_several_places(given: str, read_as: str) -> None:
    """Origins have commas between them; a socket's file is one."""
    settings = read(legacy=given, new=given)
    assert (settings.legacy, settings.new) == (read_as, read_as)
    assert ",".join(origins(settings.legacy)) == read_as


def test_origins_may_be_a_list_in_the_file() -> None:
    """As YAML would have it."""
    Path("strangler.yaml").write_text("legacy: [http://a:1, http://b:2]\n")
    assert read().legacy == "http://a:1,http://b:2"


@pytest.mark.parametrize(
    "legacy",
    ["http://a,https://b", "http://a,unix:/b", "http://a,", "http://a,b", "unix:b", "unix:", "unix:/" + "a" * 107],
)
def test_origins_that_make_no_side_are_told(legacy: str) -> None:
    """One that is none, or ways to reach it that differ."""
    (sentence,) = wrong(legacy=legacy)
    assert "--legacy" in sentence


def test_a_file_of_certificates_is_read_at_the_start(tmp_path: Path) -> None:
    """One that is missing, a folder, or holds none is told with its setting's name; a good one is taken."""
    empty, folder = tmp_path / "empty.pem", tmp_path / "folder"
    empty.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    folder.mkdir()
    for path in (tmp_path / "missing.pem", folder, empty):
        (sentence,) = wrong(legacy="https://x", legacy_ca=path)
        assert sentence.startswith(f"legacy_ca: {path} ")
        assert "--legacy-ca" in sentence
    good = Authority(tmp_path).file
    assert read(legacy="https://x", new="https://y", legacy_ca=good, new_ca=good).new_ca == good
