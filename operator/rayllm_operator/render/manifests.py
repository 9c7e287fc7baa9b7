"""What all rendered manifests have in common: names, labels and the owner."""

from typing import Any

from rayllm_operator.api import meta
from rayllm_operator.plan import ModelPlan

RENDER_REVISION = "8"
"""Raised when the same plan renders to another RayService.

A model keeps the revision that it runs with until its own spec changes, so an upgrade of the operator
restarts nothing.
"""

Manifest = dict[str, Any]


def metadata(plan: ModelPlan, *, annotations: dict[str, str] | None = None) -> Manifest:
    """Return the metadata of a child of a model."""
    result: Manifest = {
        "name": plan.name,
        "namespace": plan.namespace,
        "labels": model_labels(plan) | {meta.LABEL_MANAGED_BY: meta.FIELD_MANAGER},
    }
    if annotations:
        result["annotations"] = annotations
    return result


def model_labels(plan: ModelPlan) -> dict[str, str]:
    """Return the labels that find everything of a model; a user's own labels pass only by podLabels."""
    return {meta.LABEL_MODEL: plan.name}


def with_owner(manifest: Manifest, *, name: str, uid: str) -> Manifest:
    """Return the manifest as owned by an LLMModel, which it is deleted with."""
    owner = {
        "apiVersion": meta.API_VERSION,
        "kind": meta.LLM_MODEL,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


def serve_url(name: str, namespace: str) -> str:
    """Return the base URL of a model's OpenAI-compatible API inside the cluster."""
    return f"http://{name}.{namespace}.svc/v1"
