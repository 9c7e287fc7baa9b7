"""A ValidatingAdmissionPolicy that warns of a Service that exposes a model outside of its cluster.

An endpoint asks nobody who they are. The policy never refuses, and is silent about what was so before.
"""

from typing import Any

from rayllm_operator.api import meta
from rayllm_operator.api.policy_parts import value_at, writes_of

NAME = f"exposure.{meta.LLM_MODELS}.{meta.GROUP}"
_TYPE = ("spec", "cluster_config", "service", "type")
_MESSAGE = (
    "cluster_config.service.type exposes the model outside of the cluster, and its endpoint asks nobody who "
    "they are: put a gateway with authentication before it"
)


def exposure_policy() -> dict[str, Any]:
    """Return the spec of the policy."""
    new, old = value_at("dyn(object)", _TYPE), value_at("dyn(oldObject)", _TYPE)
    return {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [writes_of(meta.LLM_MODELS, "CREATE", "UPDATE")]},
        "matchConditions": [{"name": "changed", "expression": f"oldObject == null || {new} != {old}"}],
        "validations": [
            {
                "expression": f"!({new} in ['LoadBalancer', 'NodePort'])",
                "message": _MESSAGE,
            }
        ],
    }
