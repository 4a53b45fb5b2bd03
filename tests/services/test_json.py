"""JSON as Node writes it, with Node as the judge."""

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.json import compact, document_text, number, parse
from services.kit.reply import etag
from tests.legacy.stack import NODE, REPOSITORY

doubles = st.floats(allow_nan=False, allow_infinity=False)
HARD = [0.1, 1e20, 1e21, 123456789012345680000.0, 1e-6, 1e-7, 1.5e300, 5e-324, -1.25, 100.0, -0.0, 1e16, 2.5e-5]


def node(script: str, given_: object) -> object:
    """What a Node script prints, which finds its input in `given`."""
    program = f"const given = JSON.parse(require('fs').readFileSync(0, 'utf8')); {script}"
    run = subprocess.run([NODE, "-e", program], input=json.dumps(given_), capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_numbers_are_printed_as_javascript_prints_them() -> None:
    """Hard cases and a thousand doubles of every size, asked of Node in one go."""
    many = [*HARD, *((-1) ** n * (n + 1 / 3) * 10.0 ** (n % 60 - 30) for n in range(1000))]
    expected = node("console.log(JSON.stringify(given.map((n) => JSON.stringify(n))))", many)
    assert [number(value) for value in many] == expected


@given(doubles)
def test_number_reads_back_as_the_same_double(value: float) -> None:
    """Nothing is lost on the way."""
    assert float(number(value)) == value


def test_documents_are_compacted_as_node_does() -> None:
    """Texts as PostgreSQL prints jsonb, through Node's JSON.parse and JSON.stringify."""
    texts = [
        '{"a": 1.0, "b": [987.50, "1.0, \\"2\\": "], "cc": null}',
        '{"b": 1, "10": 2, "9": {"1": true, "x": false}, "01": 3, "4294967294": 4, "4294967295": 5}',
        '{"é": "\\u0001\\b\\f\\n\\r\\t \x7f \u2028 😀"}',
        "[]",
        '"text"',
        "12.30",
        "{}",
    ]
    expected = node("console.log(JSON.stringify(given.map((t) => JSON.stringify(JSON.parse(t)))))", texts)
    assert [compact(text) for text in texts] == expected


@given(st.integers(-(10**40), 10**40))
def test_integers_keep_all_their_digits(value: int) -> None:
    """On the way in and on the way out, beyond 2^53 and beyond 64 bits."""
    document = parse(f'{{"n": {value}}}'.encode())
    assert document_text(document) == f'{{"n":{value}}}'
    assert compact(f'{{"n": {value}}}') == f'{{"n":{value}}}'


@given(
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(-(2**53), 2**53), doubles, st.text(st.characters(codec="utf-8"))
        ),
        st.lists,
    )
)
def test_document_survives_writing_and_reading(value: object) -> None:
    """What is written is JSON for the same value."""
    assert json.loads(document_text(value), parse_int=float) == value


@pytest.mark.parametrize("depth", [300, 5000])
def test_document_too_deep_to_rewrite_is_passed_on(depth: int) -> None:
    """One odd row must not take the whole list away."""
    text = "[" * depth + "]" * depth
    assert compact(text) == text


@pytest.mark.parametrize("raw", [b'{"a": NaN}', b'{"a": Infinity}', b'"\\ud800"', b"\xff", b"{", b"{} x", b"{'a': 1}"])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    """No NaN, no lone surrogates, no broken UTF-8."""
    with pytest.raises(ValueError, match="at line 1"):
        parse(raw)


def test_etag_is_the_one_express_makes() -> None:
    """The tag of npm etag, which Express asks, for an empty and for a long body."""
    bodies = ["", "{}", "[" + "é" * 5000 + "]"]
    script = f"const etag = require('{REPOSITORY}/legacy/node_modules/etag');"
    made = node(f"{script} console.log(JSON.stringify(given.map((b) => etag(Buffer.from(b), {{weak: true}}))))", bodies)
    assert [etag(body.encode()) for body in bodies] == made
