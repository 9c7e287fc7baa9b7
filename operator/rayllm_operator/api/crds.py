"""The two CustomResourceDefinitions, made from the pydantic models of the kinds."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from rayllm_operator.api import meta
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec, GPUNodePoolStatus
from rayllm_operator.api.llm_model import LLMModelSpec, LLMModelStatus
from rayllm_operator.api.structural_schema import Schema, structural_schema


@dataclass(frozen=True)
class Column:
    """A column of ``kubectl get``."""

    name: str
    """Its heading, which kubectl prints in capitals."""
    path: str
    """JSONPath of the value."""
    type: str = "string"
    """OpenAPI type of the value."""
    priority: int = 0
    """0: always shown; 1: only with ``-o wide``."""

    def manifest(self) -> dict[str, Any]:
        """Return the column as a CustomResourceDefinition wants it."""
        column = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**column, "priority": self.priority} if self.priority else column


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

_MODEL_COLUMNS = (
    Column("Ready", ".status.ready"),
    Column("Reason", ".status.reason"),
    Column("Model", ".spec.engine_config.model_id"),
    Column("Replicas", ".status.replicaSummary"),
    Column("Pools", ".status.poolNames"),
    Column("URL", ".status.endpoint"),
    Column("Remote-Code", ".spec.engine_config.engine_kwargs.trust_remote_code", "boolean", priority=1),
    _AGE,
)

_POOL_COLUMNS = (
    Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
    Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
    Column("GPUs", ".spec.node.gpus", "number"),
    Column("CPUs", ".spec.node.cpus", "number"),
    Column("Memory", ".spec.node.memory"),
    Column("Min", ".spec.minNodes", "number"),
    Column("Max", ".spec.maxNodes", "number"),
    Column("Priority", ".spec.priority", "number"),
    Column("Nodes", ".status.nodes", "integer"),
    Column("Models", ".status.models", "integer"),
    Column("Demand", ".status.demandSummary"),
    Column("Price", ".spec.pricePerHour", priority=1),
    _AGE,
)

_SCALE = {
    "specReplicasPath": ".spec.cluster_config.replicas",
    "statusReplicasPath": ".status.replicas",
}

_NAME = "self.metadata.name"
_MODEL_NAME_RULES = [
    {
        "rule": f"size({_NAME}) <= {meta.MAX_NAME_LENGTH}",
        "messageExpression": f'"metadata.name: \'" + {_NAME} + "\' {meta.NAME_TOO_LONG}"',
    },
    {
        "rule": f"{_NAME}.matches('^{meta.DNS_1035_LABEL}$')",
        "messageExpression": f'"metadata.name: \'" + {_NAME} + "\' {meta.DNS_1035_EXPLAINED}"',
    },
]
"""The API server itself would allow any DNS subdomain of up to 253 characters."""

_ANY_NAME = {"type": "string", "maxLength": 253}
"""The API server's own bound; rules over the name need to know it to be affordable."""


def llm_models_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition of LLMModel."""
    return _crd(
        names=_names(meta.LLM_MODEL, meta.LLM_MODELS, "llm"),
        scope="Namespaced",
        schema={
            **_object_schema("A language model, served.", LLMModelSpec, LLMModelStatus),
            "x-kubernetes-validations": _MODEL_NAME_RULES,
        },
        columns=_MODEL_COLUMNS,
        subresources={"status": {}, "scale": _SCALE},
    )


def gpu_node_pools_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition of GPUNodePool."""
    return _crd(
        names=_names(meta.GPU_NODE_POOL, meta.GPU_NODE_POOLS, "gpool"),
        scope="Cluster",
        schema=_object_schema("A kind of node that models run on.", GPUNodePoolSpec, GPUNodePoolStatus),
        columns=_POOL_COLUMNS,
        subresources={"status": {}},
    )


def _names(kind: str, plural: str, short: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [short],
        "categories": ["rayllm"],
    }


def _object_schema(description: str, spec: type[BaseModel], status: type[BaseModel]) -> Schema:
    return {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": f"{meta.API_VERSION}.", "type": "string"},
            "kind": {"description": "The kind of this object.", "type": "string"},
            "metadata": {"type": "object", "properties": {"name": _ANY_NAME}},
            "spec": structural_schema(spec, preserve_unknown=True),
            "status": structural_schema(status, preserve_unknown=False),
        },
    }


def _crd(
    *,
    names: dict[str, Any],
    scope: str,
    schema: Schema,
    columns: tuple[Column, ...],
    subresources: dict[str, Any],
) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{meta.GROUP}"},
        "spec": {
            "group": meta.GROUP,
            "names": names,
            "scope": scope,
            "versions": [
                {
                    "name": meta.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": subresources,
                    "additionalPrinterColumns": [column.manifest() for column in columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
