"""`python -m tests.docs.write`: brings the generated parts of the reference up to date."""

from __future__ import annotations

from tests.docs.files import REFERENCE
from tests.docs.generated import merged, parts


def main() -> None:
    """Write every document that has a generated part."""
    for name in parts():
        (REFERENCE / name).write_text(merged(name))


if __name__ == "__main__":
    main()
