"""A contract run as JUnit XML, for CI. Whatever a backend answered, the file is well-formed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gateway.contract.report import explanation
from gateway.contract.verify import CaseResult, State

# what XML 1.0 cannot carry, not even escaped (section 2.2)
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_FAILED = frozenset({State.DIFFERS, State.UNEXPECTED, State.NOT_COMPARABLE})


def junit(results: Sequence[CaseResult]) -> bytes:
    """The XML document: a suite per route, a test case per case."""
    suites = Element("testsuites", _counts(results))
    for route, group in groupby(results, key=lambda result: result.case.route):
        cases = list(group)
        suite = SubElement(suites, "testsuite", {"name": route, **_counts(cases)})
        for result in cases:
            _case(suite, result)
    indent(suites)
    return bytes(tostring(suites, encoding="utf-8", xml_declaration=True))


def write_junit(results: Sequence[CaseResult], path: Path) -> None:
    """Write the XML document; OSError when the place cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(junit(results))


def _counts(results: Sequence[CaseResult]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(result.state in _FAILED for result in results)),
        "errors": str(sum(result.state is State.UNREACHABLE for result in results)),
        "skipped": str(sum(result.state is State.SKIPPED for result in results)),
        "time": f"{sum(result.elapsed_s for result in results):.3f}",
    }


def _case(suite: Element, result: CaseResult) -> None:
    attributes = {"name": result.case.name, "classname": result.case.route, "file": result.case.file}
    case = SubElement(suite, "testcase", {**attributes, "time": f"{result.elapsed_s:.3f}"})
    text = _clean("\n".join(explanation(result, limit=1_000)))
    if result.state in _FAILED:
        SubElement(case, "failure", {"type": result.state, "message": _clean(result.case.why)}).text = text
    elif result.state is State.UNREACHABLE:
        SubElement(case, "error", {"type": result.state, "message": "a side could not be reached"}).text = text
    elif result.state is State.SKIPPED:
        SubElement(case, "skipped", {"message": "a side could not be reached before"})
    elif text:
        SubElement(case, "system-out").text = text


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)
