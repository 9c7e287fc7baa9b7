"""A ValidatingAdmissionPolicy that warns of what an update restarts, by the table of effects.

``kubectl apply`` shows the warning, with ``--dry-run=server`` before anything happened. It never refuses.
The operator and ``rayllm plan`` judge by what is rendered; a policy sees the two specs only, so it names the
strongest that a field does.
"""

from typing import Any

from rayllm_operator.api import meta
from rayllm_operator.api.effects import Effect, field_effect, fields
from rayllm_operator.api.policy_parts import value_at, writes_of

NAME = f"changes.{meta.LLM_MODELS}.{meta.GROUP}"
_SHOWN = 5
"""Fields that one warning names."""


def change_policy() -> dict[str, Any]:
    """Return the spec of the policy."""
    variables = {
        "old": "dyn(oldObject).?spec.orValue({})",
        "new": "dyn(object).?spec.orValue({})",
        "rolling": _changed(Effect.ROLLING_RESTART),
        "clusters": _changed(Effect.NEW_CLUSTER),
        "stops": _stops(),
        "type": value_at("variables.new", ("cluster_config", "upgrade", "type")),
        "restarting": "variables.clusters + variables.rolling",
    }
    return {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [writes_of(meta.LLM_MODELS, "UPDATE")]},
        "matchConditions": [
            {"name": "spec-changed", "expression": "dyn(object).?spec != dyn(oldObject).?spec"},
            {"name": "runs", "expression": _RUNS},
        ],
        "variables": [{"name": key, "expression": text} for key, text in variables.items()],
        "validations": [
            {
                "expression": "variables.stops.size() + variables.restarting.size() == 0",
                "message": "this restarts replicas of a running model",
                "messageExpression": _MESSAGE,
            }
        ],
    }


_RUNS = " && ".join(
    f"{value_at('dyn(oldObject).?spec', path.split('.'))} != {stopped}"
    for path, stopped in (("enabled", "false"), ("cluster_config.replicas", "0"))
)
"""What does not run is not restarted either."""


def _changed(effect: Effect) -> str:
    """Return CEL for the fields of a class whose values differ; null and absent are the same."""
    rows = []
    for path in fields():
        old, new = value_at("variables.old", path.split(".")), value_at("variables.new", path.split("."))
        if field_effect(path).effect is effect:
            rows.append(f"{old} != {new} ? ['{path}'] : []")
    return _joined(rows)


def _stops() -> str:
    """Return CEL for the fields that stop the model. Starting it harms nobody."""
    rows = []
    for path in fields():
        entry, new = field_effect(path), value_at("variables.new", path.split("."))
        if entry.effect is Effect.START_OR_STOP or entry.stops_at_zero:
            rows.append(f"{new} == {'0' if entry.stops_at_zero else 'false'} ? ['{path}'] : []")
    return _joined(rows)


def _joined(rows: list[str]) -> str:
    return " +\n".join(f"({row})" for row in rows)


def _named(variable: str) -> str:
    """Return CEL for the first fields of a list in words."""
    shown = f"{list(range(_SHOWN))}.filter(i, i < {variable}.size()).map(i, {variable}[i]).join(', ')"
    return f"{shown} + ({variable}.size() > {_SHOWN} ? ', ...' : '')"


_MESSAGE = f"""\
variables.stops.size() > 0 ?
  'the model stops, and its address refuses requests: ' + {_named("variables.stops")} :
variables.type == 'Recreate' ?
  'the model stops and starts anew, and is away meanwhile: ' + {_named("variables.restarting")} :
variables.type == 'NewCluster' || variables.clusters.size() > 0 ?
  'a second Ray cluster takes over, and needs the GPUs of all replicas a second time meanwhile: '
  + {_named("variables.restarting")} :
  'the replicas restart one after the other: ' + {_named("variables.rolling")}"""
