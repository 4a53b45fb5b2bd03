"""Whether an answer of the new side is broken: nobody can read it, while legacy's to the same request can be read.

It is not comparable, and still held against the new side, whose clients cannot read it either. The reason tells,
for a sealed finding has that at hand; what is only beyond our own bounds is not broken.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.diff.verdict import Outcome
from gateway.message import Side
from gateway.shadow.finding import Found

# legacy's answer is read first, so that a reason which names the new side says that legacy's was readable
_BROKEN: Final = re.compile(
    rf"{Side.NEW}: (?:line \d+: )?the (?:body is not |body has -?(?:NaN|Infinity), |\w+ body is cut short)"
)


def is_broken(finding: Found) -> bool:
    """Whether this is what made a finding not comparable."""
    return finding.outcome is Outcome.NOT_COMPARABLE and _BROKEN.match(finding.reason) is not None
