"""What is said of a pool that cannot hold a replica: what the replica needs, and what the pool has."""

from collections.abc import Sequence
from fractions import Fraction

from rayllm_operator.plan.placement import CPU, GPU, MEMORY, Amounts, total_of
from rayllm_operator.plan.quantities import memory_quantity

_NOTHING = Fraction(0)


class DoesNotFitError(Exception):
    """A replica cannot be placed on a pool. The message says what it needs and what the pool has."""


def no_node_for_all(bundles: Sequence[Amounts], strategy: str, node: Amounts) -> str:
    """Say what a node lacks for a replica that has to be on one."""
    if len(bundles) == 1:
        return f"a replica needs {_lacking(bundles, node)}"
    return f"{_workers(bundles)} with {strategy} need {_lacking(bundles, node)}"


def no_node_for_a_bundle(bundles: Sequence[Amounts], node: Amounts) -> str:
    """Say what a node lacks for the first worker, which is the largest."""
    return f"a worker needs {_lacking(bundles[:1], node, actor=_actor(bundles))}"


def too_few_nodes(needed: int, most: int) -> str:
    """Say that a replica takes more nodes than there can be."""
    return f"a replica needs {needed} nodes; the pool has at most {most}"


def too_few_nodes_to_spread(workers: int, most: int) -> str:
    """Say that there cannot be a node for each worker."""
    return f"{workers} workers with STRICT_SPREAD need {workers} nodes; the pool has at most {most}"


def _workers(bundles: Sequence[Amounts]) -> str:
    worker = bundles[-1]
    name = GPU if worker.get(GPU) else CPU
    return f"{len(bundles)} workers of {amount_text(name, worker.get(name, _NOTHING))}"


def _lacking(bundles: Sequence[Amounts], node: Amounts, actor: Amounts | None = None) -> str:
    """Return ``a node with 45 CPUs (1 for the replica actor); a node has 44 CPUs``."""
    total, actor = total_of(list(bundles)), _actor(bundles) if actor is None else actor
    lacking = [name for name in _in_order(total) if total[name] > node.get(name, _NOTHING)]
    needed = [
        amount_text(name, total[name])
        + (f" ({_number(name, actor[name])} for the replica actor)" if actor.get(name) else "")
        for name in lacking
    ]
    has = [amount_text(name, node.get(name, _NOTHING)) for name in lacking]
    return f"a node with {_listed(needed)}; a node has {_listed(has)}"


def _listed(texts: Sequence[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def _actor(bundles: Sequence[Amounts]) -> Amounts:
    """Return what the replica actor adds to the first worker; nothing where it is the only bundle."""
    first, other = bundles[0], bundles[-1]
    if first is other:
        return {}
    return {name: amount - other.get(name, _NOTHING) for name, amount in first.items()}


def _in_order(names: Amounts) -> list[str]:
    """GPUs come first: they are what replicas are sized by."""
    first = [GPU, CPU, MEMORY]
    return [name for name in first if name in names] + sorted({*names} - {*first})


def amount_text(name: str, amount: Fraction) -> str:
    """Return an amount as it is read: ``1 GPU``, ``8 CPUs``, ``64Gi of memory``, ``node_type 0.1``."""
    if name == MEMORY:
        return f"{_number(name, amount)} of memory"
    if name in {CPU, GPU}:
        return f"{_number(name, amount)} {name}{'' if amount == 1 else 's'}"
    return f"{name} {_number(name, amount)}"


def _number(name: str, amount: Fraction) -> str:
    return memory_quantity(amount) if name == MEMORY else f"{float(amount):g}"
