"""Children whose owner somebody took away: they are found, and their owner is put back before all else."""

from collections.abc import Iterator

from rayllm_operator.controller.observed import Observed, controller_of, is_being_deleted
from rayllm_operator.controller.records import was_applied_for
from rayllm_operator.kube.kinds import DISRUPTION_BUDGET, RAY_SERVICE, SERVICE, Kind
from rayllm_operator.kube.port import Manifest, Object
from rayllm_operator.plan import ModelPlan
from rayllm_operator.render import render_pod_disruption_budget, render_ray_service, render_service


def disowned_children(observed: Observed, plan: ModelPlan) -> Iterator[tuple[Kind, Object, Manifest]]:
    """Yield kind, live object and intent of each child that was applied for this model and lost its owner."""
    selector = (observed.service or {"spec": {}})["spec"].get("selector") or {}
    for kind, live, render in (
        (RAY_SERVICE, observed.ray_service, render_ray_service),
        (SERVICE, observed.service, lambda plan: render_service(plan, selector.get("ray.io/cluster"))),
        (DISRUPTION_BUDGET, observed.disruption_budget, render_pod_disruption_budget),
    ):
        if live is None or controller_of(live) is not None or is_being_deleted(live):
            continue
        manifest = render(plan)
        if manifest is not None and was_applied_for(observed.model, live, manifest):
            yield kind, live, manifest
