"""The Service that carries a model's address; its clusterIP survives every kind of change."""

from rayllm_operator.plan import ModelPlan
from rayllm_operator.render.manifests import Manifest, metadata

SERVICE_PORT = 80

NOTHING_SERVES = {"rayllm.dev/serves": "nothing-yet"}
"""Matches no pod. A Service without any selector would keep endpoints that somebody else wrote."""


def render_service(plan: ModelPlan, serving_cluster: str | None) -> Manifest:
    """Return the model's Service.

    Parameters
    ----------
    plan
        The model's plan.
    serving_cluster
        Name of the RayCluster that serves now; None where nothing does.
    """
    options = plan.cluster.service
    selector = NOTHING_SERVES
    if serving_cluster is not None:
        # KubeRay sets ray.io/serve on pods whose Serve proxy is healthy.
        selector = {"ray.io/cluster": serving_cluster, "ray.io/serve": "true"}
    annotations = dict(options.annotations) if options and options.annotations else None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(plan, annotations=annotations),
        "spec": {
            "type": (options and options.type) or "ClusterIP",
            "selector": selector,
            "ports": [{"name": "http", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": "serve"}],
        },
    }
