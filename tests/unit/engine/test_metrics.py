"""The metrics of our own, their labels and the page about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rayllm_engine.metrics import METRICS, ReplicaMetrics
from tests.harness.metrics_page import PAGE, with_table

DECLARED = {metric.name: metric for metric in METRICS}


@dataclass
class Recorded:
    """Stands for one of Ray Serve's instruments, and is as strict about labels."""

    name: str
    values: list[tuple[float, Mapping[str, str]]] = field(default_factory=list)

    def set(self, value: float, labels: Mapping[str, str]) -> None:
        """Keep the value."""
        assert set(labels) == {"model_id", *DECLARED[self.name].labels}
        self.values.append((value, labels))

    inc = set  # noqa: A003


@dataclass(frozen=True)
class HalfWay:
    """A download of which the store did not say how large it is."""

    phase: str = "download"
    bytes_done: int = 5
    bytes_total: int | None = None
    bytes_per_second: float | None = 2.5
    remaining_seconds: float | None = None


def recorded() -> tuple[ReplicaMetrics, dict[str, Recorded]]:
    instruments = {name: Recorded(name) for name in DECLARED}
    return ReplicaMetrics("org/model", instruments), instruments


def test_the_page_lists_what_the_code_declares() -> None:
    assert PAGE.read_text() == with_table(PAGE.read_text()), "docs/metrics.md is old: run `make generate`"


def test_everything_that_is_recorded_is_declared_with_its_labels() -> None:
    metrics, instruments = recorded()
    metrics.enter("download")
    metrics.download(HalfWay(bytes_total=10, remaining_seconds=2.0))
    metrics.leave("download")
    metrics.warmed_up(1.5)
    metrics.request("/v1/completions", "ok")
    metrics.failure("EngineDied")
    assert all(each.values for each in instruments.values())


def test_gauges_are_recorded_again_with_their_last_values_and_counters_are_not() -> None:
    metrics, instruments = recorded()
    metrics.enter("download")
    metrics.enter("engine")
    metrics.warmed_up(1.0)
    metrics.warmed_up(1.5)
    metrics.request("/v1/completions", "ok")
    before = {name: len(each.values) for name, each in instruments.items()}
    metrics.refresh()
    after = {name: each.values[before[name] :] for name, each in instruments.items()}
    started = after["rayllm_startup_phase_started_timestamp_seconds"]
    assert [labels["phase"] for _, labels in started] == ["download", "engine"]
    assert [value for value, _ in after["rayllm_warm_up_seconds"]] == [1.5]
    assert after["rayllm_requests_total"] == []


def test_what_a_download_does_not_know_yet_is_absent() -> None:
    metrics, instruments = recorded()
    metrics.download(HalfWay())
    assert not instruments["rayllm_startup_download_total_bytes"].values
    assert not instruments["rayllm_startup_download_remaining_seconds"].values
    assert instruments["rayllm_startup_download_bytes"].values == [(5, {"model_id": "org/model"})]
