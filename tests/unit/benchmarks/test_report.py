"""Ratios are taken within a round, and only rounds that count are told of."""

import pytest

from benchmarks.datapath.report import of_bare, of_stock, report, share_of_overhead
from benchmarks.datapath.rounds import Round
from benchmarks.ratios import Bar, Spread

PEERS = ("bare", "stock", "ours")


def round_of(
    bare: float, stock: float, ours: float, *, floor: float = 100.0, failures: dict[str, int] | None = None
) -> Round:
    values = {"answers/s": {"bare": bare, "stock": stock, "ours": ours}}
    return Round(values, (100.0, floor), {"ours": failures} if failures else {})


ROUNDS = [round_of(100, 20, 80), round_of(200, 40, 190), round_of(50, 10, 35)]


def test_the_share_of_overhead_is_what_we_add_over_what_stock_adds() -> None:
    assert share_of_overhead({"bare": 20.0, "stock": 80.0, "ours": 26.0}) == pytest.approx(0.1)


def test_a_bar_judges_the_median_of_the_rounds_ratios() -> None:
    bar = Bar("ours / bare", "answers/s", of_bare, 0.8)
    assert bar.spread(ROUNDS) == Spread(0.7, 0.8, 0.95)
    assert bar.is_cleared(ROUNDS)
    assert not Bar("ours / bare", "answers/s", of_bare, 0.81).is_cleared(ROUNDS)
    assert not Bar("ours / stock", "answers/s", of_stock, 3, at_most=True).is_cleared(ROUNDS)


@pytest.mark.parametrize(
    ("floor", "failures", "counts"),
    [
        (100, None, True),
        (86, None, True),
        (84, None, False),
        (119, None, False),
        (100, {"status 503": 1}, False),
    ],
)
def test_a_round_counts_if_every_answer_was_whole_and_the_floor_stayed(
    floor: float, failures: dict[str, int] | None, counts: bool
) -> None:
    assert round_of(1, 1, 1, floor=floor, failures=failures).counts is counts


def test_a_report_leaves_void_rounds_out_and_says_how_many() -> None:
    rounds = [*ROUNDS, round_of(1, 1, 1, floor=10)]
    text = report("Echo", PEERS, rounds, [Bar("ours / bare", "answers/s", of_bare, 0.9)])
    assert "3 rounds count, 1 are void." in text
    assert "| answers/s | 100 (50 to 200) | 20 (10 to 40) | 80 (35 to 190) |" in text
    assert "| ours / bare | 0.8 (0.7 to 0.95) | at least 0.9 | **missed** |" in text


def test_a_report_without_a_round_that_counts_has_no_numbers() -> None:
    assert report("Echo", PEERS, [round_of(1, 1, 1, floor=10)], []).splitlines()[-1] == (
        "0 rounds count, 1 are void."
    )
