"""Who holds a pool: the models that have pods there, by how much of it they hold."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rayllm_operator.kube.port import Manifest, Object

_MOST_NAMED = 3


@dataclass(frozen=True)
class Holder:
    """A model that has pods on a pool."""

    model: str
    """Namespace and name."""
    nodes: Fraction
    """Nodes' worth of pods."""


def share_of(entry: Mapping[str, Any]) -> Fraction | None:
    """Return the part of a node that a pod takes, by an entry of ``status.pools``; None where unknown."""
    return Fraction(entry["share"]) if entry.get("share") else None


def holds(model: Manifest) -> set[str]:
    """Return the pools that a model has pods on, by its status."""
    entries = (model.get("status") or {}).get("pools") or []
    return {entry["name"] for entry in entries if entry.get("workers")}


def holders_of(models: Iterable[Object], pools: Collection[str]) -> dict[str, tuple[Holder, ...]]:
    """Return who holds each of the pools, the largest part first; by the statuses of the models."""
    found: dict[str, list[Holder]] = {pool: [] for pool in pools}
    for model in models:
        for entry in (model.get("status") or {}).get("pools") or []:
            nodes = (entry.get("workers") or 0) * (share_of(entry) or Fraction(0))
            if entry["name"] in found and nodes:
                found[entry["name"]].append(Holder(_named(model), nodes))
    return {
        pool: tuple(sorted(holders, key=lambda holder: (-holder.nodes, holder.model)))
        for pool, holders in found.items()
    }


def held_by(holders: Iterable[Holder], max_nodes: int | None) -> str:
    """Return the largest holders in words, such as ``chat/mpt-7b holds 3 of 4 nodes``; empty for none."""
    largest = list(holders)
    parts = [f"{holder.model} holds {_amount(holder.nodes)}" for holder in largest[:_MOST_NAMED]]
    if more := len(largest) - len(parts):
        parts.append(
            f"{more} more models hold {_amount(sum(holder.nodes for holder in largest[_MOST_NAMED:]))}"
        )
    of = f" of {max_nodes}" if max_nodes is not None else ""
    return f"{', '.join(parts)}{of} nodes" if parts else ""


def _named(model: Manifest) -> str:
    return f"{model['metadata']['namespace']}/{model['metadata']['name']}"


def _amount(nodes: Fraction | int) -> str:
    return f"{math.ceil(nodes * 100) / 100:g}"
