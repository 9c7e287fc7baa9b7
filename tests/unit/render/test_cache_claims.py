"""A pool whose cache is a claim: one claim for each namespace and pool, whichever models use it."""

from rayllm_operator.render import render_cache_claims
from tests.unit.render.test_ray_service import plan_of, pool

MODEL = "mosaicml--mpt-7b-instruct"


def test_the_claim_has_the_pools_size_and_class_and_is_shared_by_pods_of_several_nodes() -> None:
    cache = {"type": "PersistentVolumeClaim", "size": "2Ti", "storageClassName": "fast"}
    (claim,) = render_cache_claims(plan_of(MODEL, pool("a10", cache=cache)))
    assert claim["metadata"]["name"] == "rayllm-cache-a10"
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "2Ti"}},
        "storageClassName": "fast",
    }


def test_without_a_size_and_a_class_it_has_200_gi_of_the_clusters_own() -> None:
    cache = {"type": "PersistentVolumeClaim"}
    (claim,) = render_cache_claims(plan_of(MODEL, pool("a10", cache=cache)))
    assert claim["spec"]["resources"] == {"requests": {"storage": "200Gi"}}
    assert "storageClassName" not in claim["spec"]


def test_models_of_a_namespace_share_it() -> None:
    cached = pool("a10", cache={"type": "PersistentVolumeClaim"})
    assert render_cache_claims(plan_of(MODEL, cached)) == render_cache_claims(
        plan_of("Qwen--Qwen3-8B", cached)
    )


def test_other_caches_and_parked_models_claim_nothing() -> None:
    assert render_cache_claims(plan_of(MODEL, pool("a10", cache={"type": "HostPath"}))) == []
    parked = plan_of(MODEL, pool("a10", cache={"type": "PersistentVolumeClaim"}), replicas=0)
    assert render_cache_claims(parked) == []
