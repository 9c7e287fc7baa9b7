"""PersistentVolumeClaims of pools whose cache is one: one claim for each namespace and pool.

All models of a namespace share the claim of a pool, as they share a HostPath cache. So no model owns it, and
neither does the pool: weights outlive both until an administrator deletes the claim. A claim of that name
that exists already is used as it is.
"""

from rayllm_operator.api import meta
from rayllm_operator.plan import Intent, ModelPlan
from rayllm_operator.plan.model_plan import Pool
from rayllm_operator.plan.quantities import canonical_quantity
from rayllm_operator.render.manifests import Manifest

_DEFAULT_SIZE = "200Gi"


def claim_name(pool: str) -> str:
    """Return the name of a pool's claim, the same in every namespace."""
    return f"rayllm-cache-{pool}"


def render_cache_claims(plan: ModelPlan) -> list[Manifest]:
    """Return the claims that the model's pods mount; none for a model that is not served."""
    if plan.intent is not Intent.SERVE:
        return []
    pools = [group.pool for group in plan.worker_groups]
    return [_claim(plan.namespace, pool) for pool in pools if is_claimed(pool)]


def is_claimed(pool: Pool) -> bool:
    """Return whether a pool's cache is a PersistentVolumeClaim."""
    return pool.spec.cache is not None and pool.spec.cache.type == "PersistentVolumeClaim"


def _claim(namespace: str, pool: Pool) -> Manifest:
    cache = pool.spec.cache
    spec: Manifest = {
        # Pods on several nodes mount it at once.
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": canonical_quantity((cache and cache.size) or _DEFAULT_SIZE)}},
    }
    if cache is not None and cache.storage_class_name is not None:
        spec["storageClassName"] = cache.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": claim_name(pool.name),
            "namespace": namespace,
            "labels": {meta.LABEL_POOL: pool.name, meta.LABEL_MANAGED_BY: meta.FIELD_MANAGER},
        },
        "spec": spec,
    }
