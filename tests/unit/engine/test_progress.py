"""What a download says of itself while it runs."""

import logging

import pytest

from rayllm_engine.progress import REPORT_SECONDS, Progress, Reporter


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_reports_tell_bytes_speed_and_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    clock, told = Clock(), list[Progress]()
    with caplog.at_level(logging.INFO):
        reporter = Reporter("downloading", "s3://bucket/m/", 3_000_000_000, told.append, clock)
        clock.now += 10
        reporter.add(1_000_000_000)
    assert told[-1] == Progress("downloading", 1_000_000_000, 3_000_000_000, 1e8, 20.0)
    assert caplog.messages[-1] == "s3://bucket/m/: downloading 1.00 of 3.00 GB, 100 MB/s, 20 s left"


def test_there_is_a_report_at_the_start_at_most_one_in_five_seconds_and_one_at_the_end() -> None:
    clock, told = Clock(), list[Progress]()
    reporter = Reporter("downloading", "x", 100, told.append, clock)
    for _ in range(100):
        clock.now += REPORT_SECONDS / 10
        reporter.add(1)
    reporter.finish()
    assert [each.bytes_done for each in told] == [0, *range(10, 101, 10), 100]
    assert told[-1].remaining_seconds == 0


def test_bytes_that_an_earlier_attempt_left_say_nothing_of_the_speed() -> None:
    clock, told = Clock(), list[Progress]()
    reporter = Reporter("downloading", "x", 1000, told.append, clock)
    reporter.add(900, found=True)
    clock.now += 10
    reporter.add(50)
    assert told[-1] == Progress("downloading", 950, 1000, 5.0, 10.0)


def test_while_nothing_moves_nobody_knows_what_is_left() -> None:
    told = list[Progress]()
    Reporter("downloading", "x", 1000, told.append, Clock())
    assert told == [Progress("downloading", 0, 1000, 0.0, None)]
    assert str(told[0]) == "downloading 0.00 of 0.00 GB, 0 MB/s"
