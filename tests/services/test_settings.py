"""What the environment must say before the app is built."""

import pytest

from services.kit.settings import SettingError, read_settings

GOOD = {"DATABASE_URL": "postgresql://postgres:pw@/db?host=/socket/dir", "SUPABASE_JWT_SECRET": "s" * 32}


def test_urls_of_both_forms_are_read() -> None:
    """A socket directory and TCP; the variable of its own comes before the shared one."""
    url = read_settings(GOOD).database_url
    assert (url.drivername, url.database, url.query["host"]) == ("postgresql+psycopg", "db", "/socket/dir")
    tcp = read_settings({**GOOD, "SERVICES_DATABASE_URL": "postgresql://u@h:5433/d"}).database_url
    assert (tcp.host, tcp.port, tcp.database) == ("h", 5433, "d")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"DATABASE_URL": ""}, "SERVICES_DATABASE_URL or DATABASE_URL"),
        ({"DATABASE_URL": "not a url pw"}, "is not a URL"),
        ({"DATABASE_URL": "mysql://u:pw@h/d"}, "must begin with postgresql://"),
        ({"SUPABASE_JWT_SECRET": ""}, "SUPABASE_JWT_SECRET or SERVICES_JWKS_URL"),
        ({"SERVICES_JWKS_URL": "file:///etc/passwd"}, "http or https"),
        ({"SERVICES_POOL_SIZE": "0"}, "above 0"),
        ({"SERVICES_POOL_SIZE": "many"}, "above 0"),
    ],
)
def test_unusable_environment_is_refused_with_a_sentence(change: dict[str, str], sentence: str) -> None:
    """The variable is named, its value is not shown."""
    with pytest.raises(SettingError, match=sentence) as refused:
        read_settings({**GOOD, **change})
    assert "pw" not in str(refused.value)


def test_settings_do_not_print_their_secrets() -> None:
    """Neither the token secret nor the database's password is in the text of the settings."""
    text = str(read_settings(GOOD))
    assert "s" * 32 not in text
    assert "pw@" not in text
