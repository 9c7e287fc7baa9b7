"""The results as Markdown: what was measured, and the bars."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.controlplane.rounds import IDLE_SECONDS, Burst, Calm, PoolEdit
from benchmarks.controlplane.subjects import FLOOR, OURS, TWIN
from benchmarks.ratios import Bar, Spread

ALONE = "ours, no edits"
"""Our operator in a burst during which nobody edits anything."""
SUBJECTS = (FLOOR, TWIN, OURS)

RATE, CPU, SERVER, STATUSES, OWN, WRITES, SECONDS, EDIT = (
    "models a second",
    "the operator's CPU, ms a model",
    "CPU of API server and etcd, ms a model",
    "writes of the status, a model",
    "writes of the model, a model",
    "all writes, a model",
    "the whole burst, s",
    "an edit meanwhile, s until it is carried out",
)
RESTART, RESTART_WRITES, RESTART_CPU, MEMORY, AFTER, PER_THOUSAND, IDLE, IDLE_CPU, SPECS = (
    "quiet after a restart, s",
    "writes after a restart",
    "CPU of the restart, s",
    "memory, MiB",
    "memory after a restart, MiB",
    "memory for 1,000 models, MiB",
    "requests a minute when idle",
    "CPU when idle, % of a core",
    "spec writes while KubeRay changes 1,000 statuses",
)


@dataclass(frozen=True)
class Round:
    """What the subjects came to in one round, by measure and subject."""

    values: Mapping[str, Mapping[str, float]]


@dataclass
class Results:
    """Everything that was measured."""

    small: int
    """Models in the bursts that are repeated."""
    bursts: list[dict[str, Burst]] = field(default_factory=list)
    large: dict[str, Burst] = field(default_factory=dict)
    """One burst of more models; empty where there was none."""
    calms: dict[str, Calm] = field(default_factory=dict)
    """What followed that burst."""
    pool_edits: list[PoolEdit] = field(default_factory=list)
    """What followed that, ours only."""


def over(first: str, second: str) -> Callable[[Mapping[str, float]], float]:
    """Return the ratio of two subjects."""
    return lambda values: values[first] / values[second]


def own(values: Mapping[str, float]) -> float:
    """Return our own value."""
    return values[OURS]


BURST_BARS = (
    Bar("models a second: ours / plain kopf", RATE, over(OURS, TWIN), 3.0),
    Bar("models a second: ours / floor", RATE, over(OURS, FLOOR), 0.8),
    Bar("the operator's CPU: ours / plain kopf", CPU, over(OURS, TWIN), 1 / 3, at_most=True),
    Bar("writes of the status, a model", STATUSES, own, 1.05, at_most=True),
    Bar("an edit meanwhile: ours / plain kopf", EDIT, over(OURS, TWIN), 0.05, at_most=True),
)
ALONE_BAR = Bar("the burst with edits / without", SECONDS, over(OURS, ALONE), 1.1, at_most=True)
CALM_BARS = (
    Bar("writes after a restart", RESTART_WRITES, own, 0.0, at_most=True),
    Bar("quiet after a restart: ours / plain kopf", RESTART, over(OURS, TWIN), 0.2, at_most=True),
    Bar("memory: ours / plain kopf", MEMORY, over(OURS, TWIN), 0.75, at_most=True),
    Bar("requests a minute when idle", IDLE, own, 0.0, at_most=True),
    Bar("spec writes while KubeRay changes 1,000 statuses", SPECS, own, 0.0, at_most=True),
)


def burst_round(bursts: Mapping[str, Burst]) -> Round:
    """Return the values of one round of bursts."""
    measures: dict[str, Callable[[Burst], float]] = {
        RATE: lambda burst: burst.models / burst.seconds,
        CPU: lambda burst: 1000 * burst.cpu / burst.models,
        SERVER: lambda burst: 1000 * burst.api_server_cpu / burst.models,
        STATUSES: lambda burst: burst.statuses / burst.models,
        OWN: lambda burst: burst.own_writes / burst.models,
        WRITES: lambda burst: burst.writes / burst.models,
        SECONDS: lambda burst: burst.seconds,
    }
    values = {what: {name: of(burst) for name, burst in bursts.items()} for what, of in measures.items()}
    edited = {name: bursts[name].edits for name in (TWIN, OURS)}
    return Round({**values, EDIT: {name: statistics.median(edits) for name, edits in edited.items()}})


def calm_round(calms: Mapping[str, Calm], models: int) -> Round:
    """Return the values of what followed a burst."""
    minutes = IDLE_SECONDS / 60
    measures: dict[str, Callable[[Calm], float]] = {
        RESTART: lambda calm: calm.restart_seconds,
        RESTART_WRITES: lambda calm: calm.restart_writes,
        RESTART_CPU: lambda calm: calm.restart_cpu,
        MEMORY: lambda calm: calm.memory,
        AFTER: lambda calm: calm.memory_after_restart,
        PER_THOUSAND: lambda calm: 1000 * (calm.memory - calm.memory_before) / models,
        IDLE: lambda calm: calm.idle_requests.total() / minutes,
        IDLE_CPU: lambda calm: 100 * calm.idle_cpu / IDLE_SECONDS,
        SPECS: lambda calm: calm.spec_writes,
    }
    return Round({what: {name: of(calm) for name, calm in calms.items()} for what, of in measures.items()})


def report(results: Results) -> str:
    """Return all tables."""
    rounds = [burst_round(bursts) for bursts in results.bursts]
    parts = [f"**{len(rounds)} bursts of {results.small:,} models**", *_tables(rounds, BURST_BARS)]
    if rounds:
        parts += [bar_table(rounds, [ALONE_BAR])]
    if results.large:
        models = results.large[OURS].models
        parts += [f"**A burst of {models:,} models**", *_tables([burst_round(results.large)], BURST_BARS)]
        calm = [calm_round(results.calms, models)]
        parts += [f"**{models:,} models, once they are there**", *_tables(calm, CALM_BARS)]
        parts += [f"**Edits of the pool of {models:,} models**", _pool_table(results.pool_edits)]
    return "\n\n".join(parts)


def missed(results: Results) -> list[str]:
    """Return the names of the bars that were not cleared; of the two for models a second one is enough."""
    found = _missed([burst_round(bursts) for bursts in results.bursts], (*BURST_BARS, ALONE_BAR))
    if results.large:
        found += _missed([burst_round(results.large)], BURST_BARS)
        found += _missed([calm_round(results.calms, results.large[OURS].models)], CALM_BARS)
    return found


def _missed(rounds: Sequence[Round], bars: Sequence[Bar]) -> list[str]:
    failed = [bar.name for bar in bars if rounds and not bar.is_cleared(rounds)]
    either = [bar.name for bar in bars if bar.measure == RATE]
    return failed if set(either) <= set(failed) else [name for name in failed if name not in either]


def _tables(rounds: Sequence[Round], bars: Sequence[Bar]) -> Iterable[str]:
    if not rounds:
        return
    names = [name for name in SUBJECTS if name in rounds[0].values[next(iter(rounds[0].values))]]
    lines = [f"| median (lowest to highest) | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for measure, found in rounds[0].values.items():
        cells = [
            _spread([each.values[measure][name] for each in rounds]) if name in found else ""
            for name in names
        ]
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    yield "\n".join(lines)
    yield bar_table(rounds, bars)


def bar_table(rounds: Sequence[Round], bars: Sequence[Bar]) -> str:
    """Return a row for each bar."""
    lines = ["| | median (lowest to highest) | bar | |", "|---|---|---|---|"]
    for bar in bars:
        verdict = "cleared" if bar.is_cleared(rounds) else "**missed**"
        values = [bar.ratio(each.values[bar.measure]) for each in rounds]
        lines.append(f"| {bar.name} | {_spread(values)} | {bar.sentence} | {verdict} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return str(Spread.of(values)) if len(values) > 1 else f"{values[0]:.3g}"


def _pool_table(edits: Sequence[PoolEdit]) -> str:
    lines = [
        "| edit | s | writes | of RayServices | in the busiest second | a read meanwhile, 99th centile, ms |",
        "|---|---|---|---|---|---|",
    ]
    for edit in edits:
        slow = 1000 * sorted(edit.reads)[int(0.99 * len(edit.reads))]
        lines.append(
            f"| {edit.what} | {edit.seconds:.0f} | {edit.writes} | {edit.ray_services}"
            f" | {edit.most_a_second} | {slow:.0f} |"
        )
    return "\n".join(lines)
