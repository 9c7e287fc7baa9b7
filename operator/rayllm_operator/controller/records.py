"""What the operator writes onto its children to recognise its own work later: owner and annotations.

The state lives with the object that it is about, so that a restarted operator knows what a stopped one did.
"""

import hashlib
import json
from typing import Any

from rayllm_operator.api.meta import (
    ANNOTATION_CODE,
    ANNOTATION_ENGINE_IMAGE,
    ANNOTATION_GENERATION,
    ANNOTATION_INTENT,
    ANNOTATION_RENDER_REVISION,
    ANNOTATION_RESTARTED_AT,
)
from rayllm_operator.kube.port import Manifest, Object
from rayllm_operator.plan import Running
from rayllm_operator.render import with_owner
from rayllm_operator.render.effects import (
    code_digest,
    recorded_digests,
    serve_config_of,
    worker_groups_of,
)
from rayllm_operator.render.serve_config import data_path_of, llm_config_of


def recorded(manifest: Manifest, model: Manifest, annotations: dict[str, str]) -> Object:
    """Return a rendered child with its owner, with more annotations, and with a digest of all of it."""
    metadata = model["metadata"]
    owned = with_owner(dict(manifest), name=metadata["name"], uid=metadata["uid"])
    digest = hashlib.sha256(json.dumps(owned, sort_keys=True).encode()).hexdigest()[:16]
    own = {**(owned["metadata"].get("annotations") or {}), **annotations, ANNOTATION_INTENT: digest}
    return {**owned, "metadata": {**owned["metadata"], "annotations": own}}


def was_applied_for(model: Manifest, child: Manifest, manifest: Manifest) -> bool:
    """Return whether a child is what was applied for this very model, and last.

    The recorded digest has the model's UID in it, so that of a child which an earlier model of the name left
    behind is another.
    """
    return recorded_intent(child) == recorded_intent(recorded(manifest, model, {}))


def annotations_of(child: Manifest) -> dict[str, Any]:
    """Return an object's annotations."""
    return child["metadata"].get("annotations") or {}


def recorded_intent(child: Manifest) -> str:
    """Return the digest of what was applied to an object last; empty where nobody recorded it."""
    return str(annotations_of(child).get(ANNOTATION_INTENT, ""))


def recorded_generation(child: Manifest) -> int:
    """Return the generation of the model that a child was rendered from; 0 where nobody recorded it."""
    value = annotations_of(child).get(ANNOTATION_GENERATION, "")
    return int(value) if value.isdigit() else 0


def recorded_restart(ray_service: Manifest) -> str:
    """Return the wish for a restart that a RayService has already heard."""
    return str(annotations_of(ray_service).get(ANNOTATION_RESTARTED_AT, ""))


def running_version(ray_service: Manifest | None) -> Running | None:
    """Return what a model runs with, as its RayService records it; None where it does not run."""
    if ray_service is None or not recorded_generation(ray_service):
        return None
    annotations = annotations_of(ray_service)
    cluster = ray_service["spec"].get("rayClusterConfig") or {}
    head = cluster.get("headGroupSpec", {}).get("template", {}).get("metadata") or {}
    serve_config, digests = serve_config_of(ray_service), recorded_digests(ray_service)
    # A group that nobody here rendered is none that a pool has left behind.
    groups = [
        group for group in worker_groups_of(ray_service) if not digests or group["groupName"] in digests
    ]
    return Running(
        engine_image=annotations.get(ANNOTATION_ENGINE_IMAGE, ""),
        render_revision=annotations.get(ANNOTATION_RENDER_REVISION, ""),
        generation=recorded_generation(ray_service),
        worker_groups=tuple(groups),
        cluster_digests=digests,
        code=code_digest(serve_config),
        head_code=(head.get("annotations") or {}).get(ANNOTATION_CODE, ""),
        llm_config=llm_config_of(serve_config),
        data_path=data_path_of(serve_config),
    )
