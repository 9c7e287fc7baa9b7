"""Which writes make a model's children say what they should. None where they do already."""

from collections.abc import Collection, Iterable, Iterator

from rayllm_operator.api.meta import (
    ANNOTATION_GENERATION,
    ANNOTATION_RESTARTED_AT,
    GROUP,
)
from rayllm_operator.controller.acceptance import Acceptance
from rayllm_operator.controller.changes import GONE, differences
from rayllm_operator.controller.decision import Action, Apply, Create, Delete, Ensure, Patch, puts_back
from rayllm_operator.controller.disowned import disowned_children
from rayllm_operator.controller.observed import Observed, is_being_deleted, is_ours, was_ours
from rayllm_operator.controller.records import (
    annotations_of,
    recorded,
    recorded_generation,
    recorded_intent,
    recorded_restart,
    running_version,
    was_applied_for,
)
from rayllm_operator.controller.serving import active_cluster
from rayllm_operator.controller.worker_bounds import carry_bounds, keep_bounds
from rayllm_operator.kube.kinds import CLAIM, DISRUPTION_BUDGET, RAY_SERVICE, SERVICE, Kind
from rayllm_operator.kube.port import Manifest, Object, is_as_read
from rayllm_operator.plan import Intent, ModelPlan
from rayllm_operator.plan.upgrades import frees_first
from rayllm_operator.render import (
    RENDER_REVISION,
    render_cache_claims,
    render_pod_disruption_budget,
    render_ray_service,
    render_service,
)
from rayllm_operator.render.effects import effect_of

_MOST_PATHS = 5
_GENERATION_PATH = f"metadata.annotations.{ANNOTATION_GENERATION}"
_OWN_ANNOTATIONS = f"metadata.annotations.{GROUP}/"


def child_actions(observed: Observed, acceptance: Acceptance) -> tuple[Action, ...]:
    """Return the writes; of a paused model, and of one whose spec is refused, only the Service's target."""
    if acceptance.plan is None or observed.is_paused:
        return tuple(_keep_address(observed))
    actions = (
        *_service_actions(observed, acceptance.plan),
        *_claim_actions(observed, acceptance.plan),
        *_budget_actions(observed, acceptance.plan),
        *_ray_service_actions(observed, acceptance.plan),
        *carry_bounds(observed, acceptance.plan),
    )
    return _uncontested(actions, observed)


def owner_actions(observed: Observed, acceptance: Acceptance) -> tuple[Action, ...]:
    """Return the writes that put back the owner of children which lost it; they come before all others."""
    if acceptance.plan is None or observed.is_paused:
        return ()
    found = disowned_children(observed, acceptance.plan)
    actions = [
        action
        for kind, live, manifest in found
        for action in _written(kind, recorded(manifest, observed.model, _kept_annotations(live)), live)
    ]
    return _uncontested(actions, observed)


def _kept_annotations(live: Object) -> dict[str, str]:
    """Return what is recorded on a child besides what it is rendered with."""
    kept = (ANNOTATION_GENERATION, ANNOTATION_RESTARTED_AT)
    return {name: value for name, value in annotations_of(live).items() if name in kept}


def _uncontested(actions: Iterable[Action], observed: Observed) -> tuple[Action, ...]:
    """Return the writes without those that would only take back what somebody else will write again."""
    return tuple(
        action for action in actions if not (puts_back(action) and action.kind in observed.contested)
    )


def is_old_view(observed: Observed) -> bool:
    """Return whether a child was made from a newer spec of this model than was seen.

    What is done by an old view would be undone by the next one, and each of the two may restart the model.
    """
    children = (observed.ray_service, observed.service)
    ours = [child for child in children if child is not None and is_ours(child, observed.model)]
    return any(recorded_generation(child) > observed.generation for child in ours)


def serving_cluster(observed: Observed) -> str | None:
    """Return the RayCluster that serves the model now; None where none does."""
    ray_service = observed.ray_service
    if ray_service is None or not is_ours(ray_service, observed.model):
        return None
    return active_cluster(ray_service).name or None


def keeps_running_version(observed: Observed, plan: ModelPlan) -> bool:
    """Return whether a model stays with the render revision and engine image that it runs with.

    Only its own spec (its generation), a wish for a restart or ``upgrade.engine: Auto`` moves it; a new
    operator or a new default image must not restart everybody's models at once.
    """
    running = running_version(observed.ray_service)
    if observed.ray_service is None or running is None:
        return False
    upgrade = plan.cluster.upgrade
    is_moved = (
        running.generation != observed.generation
        or recorded_restart(observed.ray_service) != plan.restarted_at
        or (upgrade is not None and upgrade.engine == "Auto")
    )
    is_new = (running.render_revision, running.engine_image) != (RENDER_REVISION, plan.engine.image)
    return is_new and not is_moved


def _ray_service_actions(observed: Observed, plan: ModelPlan) -> Iterator[Action]:
    live = observed.ray_service
    manifest = render_ray_service(plan)
    if observed.kuberay_missing or (live is not None and _is_going(live, observed.model)):
        return
    if manifest is None:
        if live is not None and is_ours(live, observed.model):
            yield Delete(RAY_SERVICE, live, _why_stopped(plan))
        return
    keeps = live is not None and keeps_running_version(observed, plan)
    # A record that somebody took away does not make it an older version.
    if live is not None and keeps and not was_applied_for(observed.model, live, manifest):
        yield from keep_bounds(manifest, live)
        return
    annotations = {
        ANNOTATION_GENERATION: str(observed.generation),
        **({ANNOTATION_RESTARTED_AT: plan.restarted_at} if plan.restarted_at else {}),
    }
    intent = recorded(manifest, observed.model, annotations)
    yield from (_replaced(action, plan) for action in _written(RAY_SERVICE, intent, live))


def _replaced(action: Action, plan: ModelPlan) -> Action:
    """Return the deletion that makes room for the new version, where the model wants it, else the action."""
    if not isinstance(action, Apply) or action.is_foreign or not frees_first(plan.cluster):
        return action
    if not effect_of(action.manifest, action.live).restarts:
        return action
    why = "upgrade.type is Recreate, and the change restarts it"
    return Delete(RAY_SERVICE, action.live, why, instead=action.manifest)


def _service_actions(observed: Observed, plan: ModelPlan) -> Iterator[Action]:
    live = observed.service
    if live is not None and _is_going(live, observed.model):
        return
    cluster = serving_cluster(observed) if plan.intent is Intent.SERVE else None
    # It outlives the RayService, so it too says which spec was acted on; that alone is no reason to write it.
    annotations = {ANNOTATION_GENERATION: str(observed.generation)}
    manifest = recorded(render_service(plan, cluster), observed.model, annotations)
    yield from _written(SERVICE, manifest, live, but={_GENERATION_PATH})


def _claim_actions(observed: Observed, plan: ModelPlan) -> Iterator[Action]:
    known = {claim["metadata"]["name"] for claim in observed.claims}
    for claim in render_cache_claims(plan):
        if claim["metadata"]["name"] not in known:
            yield Ensure(CLAIM, claim)


def _budget_actions(observed: Observed, plan: ModelPlan) -> Iterator[Action]:
    """Keep the budget; one of somebody else is theirs, and no reason not to serve."""
    live, manifest = observed.disruption_budget, render_pod_disruption_budget(plan)
    if live is not None and (is_being_deleted(live) or not is_ours(live, observed.model)):
        return
    if manifest is not None:
        yield from _written(DISRUPTION_BUDGET, recorded(manifest, observed.model, {}), live)
    elif live is not None:
        yield Delete(DISRUPTION_BUDGET, live, "fewer than two of the model's pods always run")


def _written(
    kind: Kind, manifest: Object, live: Object | None, but: Collection[str] = ()
) -> Iterator[Action]:
    """Yield the write that makes a child say what it should; differences at the paths ``but`` are none."""
    if live is None:
        yield Create(kind, manifest)
        return
    changed = tuple(path for path in differences(manifest, live) if path not in but)
    ours = all(path.startswith(_OWN_ANNOTATIONS) for path in changed)
    is_foreign = not ours and recorded_intent(live) == recorded_intent(manifest)
    if is_foreign and any(path.endswith(GONE) for path in changed):
        # What a Service was given, such as its addresses, the API server keeps where a spec leaves it out.
        operation = {"op": "replace", "path": "/spec", "value": manifest["spec"]}
        yield Patch(kind, live, (is_as_read(live), operation), changed[:_MOST_PATHS], is_foreign)
    elif changed:
        with_uid = {**manifest, "metadata": {**manifest["metadata"], "uid": live["metadata"]["uid"]}}
        yield Apply(kind, with_uid, live, changed[:_MOST_PATHS], is_foreign)


def _is_going(child: Manifest, model: Manifest) -> bool:
    return is_being_deleted(child) or was_ours(child, model)


def _why_stopped(plan: ModelPlan) -> str:
    return "enabled is false" if plan.intent is Intent.DISABLED else "cluster_config.replicas is 0"


def _keep_address(observed: Observed) -> Iterator[Action]:
    """Let the Service follow the serving cluster whatever else is not done: what serves keeps serving.

    KubeRay goes on with an upgrade of a model that is paused, and deletes the cluster before.
    """
    service, cluster = observed.service, serving_cluster(observed)
    if service is None or cluster is None or not is_ours(service, observed.model):
        return
    selector = {"ray.io/cluster": cluster, "ray.io/serve": "true"}
    if service["spec"].get("selector") != selector:
        yield Patch(
            SERVICE,
            service,
            (is_as_read(service), {"op": "add", "path": "/spec/selector", "value": selector}),
        )
