"""Templates are read strictly, and fill with a request's own bytes."""

import pytest

from gateway.routing.template import Template


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("api", "start with /"),
        ("/api/lots/", "ends with /"),
        ("/api//lots", "empty segment"),
        ("/api/lots?x=1", "query"),
        ("/a/{id}/b/{id}", "twice"),
        ("/a/{1x}", "not a parameter"),
        ("/a/{id", "not a parameter"),
        ("/a/b{id}", "characters"),
        ("/a/b c", "characters"),
    ],
)
def test_a_bad_template_is_told_why(text: str, complaint: str) -> None:
    """The sentence names the path and what is wrong with it."""
    with pytest.raises(ValueError, match=complaint) as error:
        Template.parse(text)
    assert text in str(error.value)


def test_fill_takes_bytes_as_they_are() -> None:
    """Nothing is encoded or decoded on the way to the new side."""
    template = Template.parse("/v2/runs/{id}/x")
    assert template.fill({"id": b"a%2Fb"}) == b"/v2/runs/a%2Fb/x"
    assert Template.parse("/").fill({}) == b"/"


@pytest.mark.parametrize(
    ("one", "other", "ambiguous"),
    [
        ("/a/{x}/c", "/a/b/{y}", True),
        ("/a/{x}", "/a/{y}", True),
        ("/runs/latest", "/runs/{id}", False),
        ("/a/b", "/a/c", False),
        ("/a", "/a/b", False),
        ("/A", "/a", True),
    ],
)
def test_ambiguity_is_seen_from_both_sides(one: str, other: str, ambiguous: bool) -> None:
    """Two templates are ambiguous when some path fits both and neither is the more specific."""
    first, second = Template.parse(one), Template.parse(other)
    assert first.ambiguous_with(second) is ambiguous
    assert second.ambiguous_with(first) is ambiguous
