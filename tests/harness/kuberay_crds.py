"""Where KubeRay's own CRDs are, if they are anywhere: they are not ours to commit."""

import os
from pathlib import Path

KUBERAY_KINDS = ("rayclusters.ray.io", "rayservices.ray.io")
"""The names of the CRDs that a model needs."""

_CHECKOUT = Path(__file__).parents[2]


def find_kuberay_crds() -> Path | None:
    """Return the directory named by KUBERAY_CRDS, else the one beside the checkout, else None."""
    candidates = [_CHECKOUT.parent / "shared" / "kuberay" / "crds"]
    if named := os.environ.get("KUBERAY_CRDS"):
        candidates.insert(0, Path(named))
    return next((path for path in candidates if (path / "ray.io_rayservices.yaml").is_file()), None)
