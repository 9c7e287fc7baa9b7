"""``rayllm logs --follow`` shows each line once, although it only ever sees the end of a file."""

import pytest

from rayllm_operator.cli.logs import news


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([], ["a", "b"], ["a", "b"]),
        (["a", "b"], ["a", "b"], []),
        (["a", "b"], ["b", "c"], ["c"]),
        (["a", "b"], ["a", "b", "c", "d"], ["c", "d"]),
        (["a", "b"], ["x", "y"], ["x", "y"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
    ],
    ids=[
        "first look",
        "nothing new",
        "the window moved",
        "the file grew",
        "all is new",
        "the same line again",
    ],
)
def test_only_what_is_new_is_shown(before: list[str], now: list[str], expected: list[str]) -> None:
    assert news(before, now) == expected
