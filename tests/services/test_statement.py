"""What ends a transaction is known by its text, whatever stands around it."""

import pytest

from services.kit.statement import ends_transaction

ENDING = [
    "COMMIT",
    "commit work and chain",
    "-- done\nCOMMIT",
    "/* /* done */ */ COMMIT",
    "INSERT INTO notes VALUES ('--'); COMMIT",
    "SELECT '/*'; COMMIT; SELECT '*/'",
    r"SELECT date '\'; COMMIT",
    "SELECT a$b$ FROM t; COMMIT; SELECT c$b$ FROM t",
    "DO $a$ BEGIN $$; $$; END $a$; END",
    "SELECT 1; ROLLBACK",
    "PREPARE TRANSACTION 'x'",
]
GOING_ON = [
    "SELECT 'done; COMMIT'",
    r"SELECT E'it\'s; COMMIT'",
    "SELECT 'it''s; COMMIT'",
    'SELECT "a; COMMIT" FROM t',
    "DO $$ BEGIN PERFORM 1; END $$",
    "SELECT 1 -- ; COMMIT",
    "SELECT 1 /* ; COMMIT /* ; COMMIT */ ; COMMIT */",
    "SELECT CASE WHEN true THEN 1 END",
    "ROLLBACK TO SAVEPOINT mine",
    "ROLLBACK WORK TO mine",
]


@pytest.mark.parametrize("text", ENDING)
def test_a_statement_that_ends_the_transaction_is_seen(text: str) -> None:
    """Neither a quote nor a comment hides it."""
    assert ends_transaction(text)


@pytest.mark.parametrize("text", GOING_ON)
def test_words_that_are_data_end_nothing(text: str) -> None:
    """A note that says COMMIT does not make its handler unsafe."""
    assert not ends_transaction(text)
