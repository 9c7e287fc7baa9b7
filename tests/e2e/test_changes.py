"""Fields changed on a running model, one after the other: exactly the stated effect happens.

The model has the echo engine behind the real server class. Every field whose change restarts nothing is walked
through, and one of each class that restarts is changed under streams; `make test-long` walks through all of those that
a model without files can have, and tests/e2e/test_effects.py judges every field by the rules of KubeRay and Serve. Pods
are whole nodes, because nothing here adds pods for replicas that wait.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from rayllm_engine.echo import ENGINE_CLASS
from rayllm_operator.api.effects import Effect, field_effect
from rayllm_operator.cli.local_ray import free_ports
from tests.data.field_changes import BASE, CHANGES, POOLS, changed, spec_after, spec_before
from tests.e2e.test_whole_path import configuration
from tests.harness.fixtures import KubeRay
from tests.harness.local_stack import Kubectl, operator_command, program, wait_until
from tests.harness.rayllm_api import RayllmApi, model, pool
from tests.harness.stream_clients import STREAMS, under_streams

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(1800)]

NAME = "tiny"
SECONDS = 240
SMALL_NODES = {"node": {"cpus": 1, "memory": "6Gi"}, "workerPod": "Node"}
"""A pod takes a whole node, which is small enough for a real one."""
ECHO = {"RAYLLM_VLLM_ENGINE_CLS": ENGINE_CLASS, "RAYLLM_ECHO": json.dumps({"token_seconds": 0.25})}
"""A stream of 60 tokens takes 15 s."""

NEEDS_MORE = (
    "mirror_config",
    "model_id",
    "tokenizer_id",
    "engine_config.type",
    "num_workers",
    "gpu",
    "label_selector",
    "faultTolerance",
)
"""Parts of the paths of fields whose new value needs files, GPUs, labels, a second engine process or Redis."""

NAMED_BY_CHANGES = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}},
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1},
)
"""Objects that new values name: without them no pod would start."""


def walk(*effects: Effect) -> list[str]:
    """Return the fields of some classes that can be changed alone on the model."""
    return [
        path
        for path in CHANGES
        if field_effect(path).effect in effects
        and spec_before(path) == BASE
        and not path.startswith(("scaling_config.", "deployment_config.ray_actor_options.num"))
        and not any(part in path for part in NEEDS_MORE)
    ]


def with_echo(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a spec whose engine is the echo engine, and of which five replicas fit one CPU."""
    path = "engine_config.runtime_env.env_vars"
    own = (spec["engine_config"].get("runtime_env") or {}).get("env_vars") or {}
    spec = changed(spec, path, {**own, **ECHO})
    spec = changed(spec, "scaling_config.num_cpus_per_worker", 0.2)
    return changed(spec, "deployment_config.ray_actor_options.num_cpus", 0)


@dataclass(frozen=True)
class Seen:
    """What runs, as a change can alter it."""

    told: str
    """What the RayService tells Serve and the autoscaler."""
    cluster: str
    replicas: frozenset[str]
    """Ids of the model's replicas that run."""

    def effect_until(self, after: "Seen") -> Effect:
        """Return what happened between two looks."""
        if after.cluster != self.cluster:
            return Effect.NEW_CLUSTER
        if after.replicas - self.replicas and self.replicas - after.replicas:
            return Effect.ROLLING_RESTART
        return Effect.NONE if after.told == self.told else Effect.IN_PLACE


@dataclass(frozen=True)
class Running:
    """The model in its cluster."""

    kubectl: Kubectl
    namespace: str
    api: RayllmApi
    proxy_port: int

    @property
    def url(self) -> str:
        """The model's Service, through the API server."""
        service = f"/api/v1/namespaces/{self.namespace}/services/{NAME}:http/proxy"
        return f"http://127.0.0.1:{self.proxy_port}{service}"

    def apply(self, spec: dict[str, Any]) -> None:
        """Apply a spec."""
        self.api.apply(model(with_echo(spec), NAME), "--server-side", "--force-conflicts")

    def change_to(self, spec: dict[str, Any]) -> Seen:
        """Apply a spec, wait until it is carried out, and return what runs then."""
        self.apply(spec)
        wanted = self.read("llm")["metadata"]["generation"]
        try:
            wait_until(f"generation {wanted}", lambda: self._is_done(wanted) or None, seconds=SECONDS)
            return wait_until("replicas", self.look, seconds=SECONDS)
        except Exception as error:
            error.add_note(self.api("describe", "llm", NAME))
            raise

    def read(self, kind: str) -> Any:
        """Read the model, its RayService or its Service."""
        return self.kubectl.json("--namespace", self.namespace, "get", kind, NAME)

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition of the model."""
        found = self.read("llm")["status"]["conditions"]
        return next(condition for condition in found if condition["type"] == kind)

    def service(self) -> tuple[str, str]:
        """Return what makes the model's address: the Service's UID and IP address."""
        service = self.read("service")
        return service["metadata"]["uid"], service["spec"]["clusterIP"]

    def look(self) -> Seen | None:
        """Return what runs; None while Serve is at work."""
        ray_service = self.read("rayservice")
        status = ray_service.get("status") or {}
        cluster = (status.get("activeServiceStatus") or {}).get("rayClusterName", "")
        head = f"/api/v1/namespaces/{self.namespace}/services/{cluster}-head-svc:dashboard/proxy"
        applications = json.loads(self.kubectl("get", "--raw", f"{head}/api/serve/applications/"))[
            "applications"
        ]
        (application,) = applications.values()
        (deployment,) = [found for name, found in application["deployments"].items() if ":" in name]
        states = {replica["replica_id"]: replica["state"] for replica in deployment["replicas"]}
        if application["status"] != "RUNNING" or set(states.values()) != {"RUNNING"}:
            return None
        groups = ray_service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        bounds = [(group["minReplicas"], group["maxReplicas"]) for group in groups]
        return Seen(f"{bounds} {ray_service['spec']['serveConfigV2']}", cluster, frozenset(states))

    def _is_done(self, generation: int) -> bool:
        status = self.read("llm").get("status") or {}
        conditions = {item["type"]: item for item in status.get("conditions") or []}
        ready = conditions.get("Ready") or {}
        return (
            ready.get("status") == "True"
            and ready["observedGeneration"] == generation
            and "Reconciling" not in conditions
        )


@pytest.fixture(scope="module")
def running(
    installed_crds: RayllmApi, kuberay: KubeRay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Serve the model with the echo engine."""
    kubectl, logs = installed_crds.kubectl, tmp_path_factory.mktemp("changes")
    namespace = f"changes-{secrets.token_hex(3)}"
    api = RayllmApi(kubectl, installed_crds.folder, namespace)
    with contextlib.ExitStack() as stack:
        command = [*operator_command(0), "--configuration", str(configuration(logs, kuberay))]
        stack.enter_context(program("operator", command, logs, KUBECONFIG=str(kubectl.kubeconfig)))
        kubectl("create", "namespace", namespace)
        for manifest in NAMED_BY_CHANGES:
            api.apply(manifest)
        for name, spec in POOLS.items():
            api.apply(pool({**spec, **SMALL_NODES}, name))
        found = Running(kubectl, namespace, api, free_ports(1)[0])
        found.change_to(BASE)
        stack.enter_context(program("kubectl-proxy", kubectl.start_proxy(found.proxy_port), logs))
        yield found
        api("delete", "llm", NAME, "--wait=true", "--timeout=60s")
        for name in POOLS:
            kubectl("delete", "gpunodepool", name)


def walked(running: Running, paths: list[str]) -> dict[str, Effect]:
    """Change fields one after the other, each back to what it was with the change of the next."""
    effects, before = {}, running.change_to(BASE)
    for path in paths:
        after = running.change_to(spec_after(path, CHANGES[path]))
        effects[path] = before.effect_until(after)
        before = after
    return effects


def test_what_touches_nothing_that_runs(running: Running) -> None:
    paths = walk(Effect.NONE)
    assert len(paths) >= 10
    assert walked(running, paths) == dict.fromkeys(paths, Effect.NONE)


def test_what_is_changed_in_place(running: Running) -> None:
    paths = walk(Effect.IN_PLACE)
    assert len(paths) > 15
    assert walked(running, paths) == dict.fromkeys(paths, Effect.IN_PLACE)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("effect", [Effect.ROLLING_RESTART, Effect.NEW_CLUSTER])
def test_every_field_that_restarts(running: Running, effect: Effect) -> None:
    paths = walk(effect)
    assert len(paths) > 3
    assert walked(running, paths) == dict.fromkeys(paths, effect)


MIN_REPLICAS = "deployment_config.autoscaling_config.min_replicas"
LONGER = {"engine_config.max_total_tokens": 512}
MORE_MEMORY = {"cluster_config.head.resources.memory": "5Gi"}


def test_a_model_may_sleep_from_now_on_without_a_restart(running: Running) -> None:
    before = running.change_to(BASE)
    after = running.change_to(changed(BASE, MIN_REPLICAS, 0))
    assert before.effect_until(after) is Effect.IN_PLACE
    assert "is 0, but the replicas run on the direct data path" in running.condition("Accepted")["message"]
    assert after.effect_until(running.change_to(BASE)) is Effect.IN_PLACE


@pytest.mark.parametrize(
    ("wish", "change", "effect"),
    [
        ("InPlace", LONGER, Effect.ROLLING_RESTART),
        ("InPlace", MORE_MEMORY, Effect.NEW_CLUSTER),
        pytest.param("NewCluster", LONGER, Effect.NEW_CLUSTER, marks=pytest.mark.long),
    ],
    ids=["in place", "other pods", "a second cluster by wish"],
)
def test_no_request_is_lost_in_a_switch(
    running: Running, wish: str, change: dict[str, Any], effect: Effect
) -> None:
    """20 streams of 15 s are open at any time, and short requests come beside them."""
    spec = changed(BASE, "cluster_config.upgrade.type", wish)
    before, service = running.change_to(spec), running.service()
    ((path, value),) = change.items()
    after, seen = asyncio.run(changed_under_streams(running, changed(spec, path, value)))
    assert before.effect_until(after) is effect
    assert set(seen["streams"]) == {"done"}, seen
    assert len(seen["streams"]) > STREAMS, seen
    assert seen["short failures"] == [], seen
    assert seen["short answers"] > 10, seen
    assert running.service() == service


async def changed_under_streams(running: Running, spec: dict[str, Any]) -> tuple[Seen, dict[str, Any]]:
    """Apply a spec while clients ask; return what runs then, and what they saw."""
    timeout, connector = aiohttp.ClientTimeout(total=None, sock_read=120), aiohttp.TCPConnector(limit=0)
    after: list[Seen] = []

    async def change() -> None:
        after.append(await asyncio.to_thread(running.change_to, spec))

    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        seen = await under_streams(session, running.url, BASE["engine_config"]["model_id"], change)
    return after[0], seen


def test_recreate_stops_the_old_version_first_and_the_address_stays(running: Running) -> None:
    spec = changed(BASE, "cluster_config.upgrade.type", "Recreate")
    before, service = running.change_to(spec), running.service()
    old = running.read("rayservice")["metadata"]["uid"]
    after = running.change_to(changed(spec, "engine_config.max_total_tokens", 512))
    assert before.effect_until(after) is Effect.NEW_CLUSTER
    assert running.read("rayservice")["metadata"]["uid"] != old
    assert running.service() == service


def test_what_stops_the_model(running: Running) -> None:
    running.apply(changed(BASE, "enabled", False))
    wait_until(
        "the end of the RayService",
        lambda: not running.api("get", "rayservice", NAME, "--ignore-not-found") or None,
        seconds=SECONDS,
    )
    assert running.change_to(BASE).replicas
