"""One replica from its start to its death and replacement, on both data paths, with compiled kernels.

What a replica promises besides its answers: it is warm when it is ready, it says what it does in metrics, its
errors are for clients, and when its engine dies it says why and is replaced.
"""

import contextlib
import copy
import json
import os
import re
import signal
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rayllm_operator.cli.local_ray import LocalRay, RayNode, environment_without_ray, free_ports
from rayllm_operator.plan.data_path import DataPath
from rayllm_operator.render.ray_environment import RAY_ENVIRONMENT
from tests.e2e.test_engine_server import MODEL, model_with_a_bos, served
from tests.harness.local_stack import CHECKOUT, engine_python, make_model, wait_for_endpoint, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(1200)]

START_SECONDS = 400.0
ROUNDS = 5
"""Requests whose time is taken after the replica became ready; of the later ones the median counts."""
CHAT = "/v1/chat/completions"
INSIDE = re.compile(
    r"Traceback|File \"|site-packages|\bray\.|\bvllm\.|Error: |Internal exception|/tmp/|function-wrap"
)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: str
    seconds: float

    @property
    def error(self) -> dict[str, Any]:
        """The error object."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


@dataclass
class Life:
    """A Ray with one model, and what was seen of its first replica."""

    ray: LocalRay
    address: str
    mark: str
    path: DataPath
    rendered: dict[str, Any]
    """The application as it was handed to Serve."""
    state: dict[str, Any]
    """What Serve said of it as soon as it ran."""
    first: list[Answer]
    """The first chat completions after the replica became ready."""
    engine_seconds: list[dict[str, float]]
    """How long engine and warm-up of the first replica took, by its name."""

    def post(self, path: str, body: Any, *, seconds: float = 120) -> Answer:
        """Send a body, and return the answer whatever it is."""
        request = urllib.request.Request(
            self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return Answer(answer.status, answer.read().decode(), time.monotonic() - began)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), time.monotonic() - began)
        except OSError as error:  # the connection was cut
            return Answer(0, str(error), time.monotonic() - began)

    def chat(self, **body: Any) -> Answer:
        """Ask for a chat completion."""
        messages = [{"role": "user", "content": "Hello"}]
        return self.post(CHAT, {"model": MODEL, "messages": messages, "max_tokens": 16, **body})

    def application(self) -> dict[str, Any]:
        """Return the application's state."""
        state: dict[str, Any] = self.ray.applications().get("llm", {})
        return state

    def deploy(self, *applications: dict[str, Any]) -> None:
        """Hand Serve these applications, and no others."""
        port = int(self.address.rsplit(":", 1)[1])
        options = {"host": "0.0.0.0", "port": port}  # noqa: S104
        self.ray.deploy({"http_options": options, "applications": list(applications)})

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and values of a metric on all of Ray's metrics ports."""
        targets = json.loads((self.ray.directory / "prom_metrics_service_discovery.json").read_text())
        found: list[tuple[dict[str, str], float]] = []
        for address in {target for group in targets for target in group["targets"]}:
            # Ray names a port before somebody listens on it.
            with (
                contextlib.suppress(urllib.error.URLError),
                urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as page,
            ):
                for line in page.read().decode().splitlines():
                    if line.startswith((f"{name}{{", f"{name} ")):
                        labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                        found.append((labels, float(line.rsplit(" ", 1)[1])))
        return found

    def phases(self, which: str, replica: str) -> dict[str, float]:
        """Return when a replica's phases started, or ended, by name."""
        samples = self.samples(f"ray_rayllm_startup_phase_{which}_timestamp_seconds")
        return {labels["phase"]: value for labels, value in samples if labels["replica"] == replica}

    def engine_cores(self) -> list[int]:
        """Return the processes of vLLM's engine core that belong to this Ray."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                title = (process / "cmdline").read_bytes()
                if b"EngineCore" in title and self.mark.encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found


@pytest.fixture(
    scope="module", params=[DataPath.DIRECT, pytest.param(DataPath.ROUTED, marks=pytest.mark.long)]
)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Serve the tiny model with empty compile caches."""
    directory = tmp_path_factory.mktemp("life")
    make_model(directory / "tiny", engine_python())
    mark = f"RAYLLM_TEST={directory}"
    environment = environment_without_ray() | RAY_ENVIRONMENT
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "RAYLLM_TEST": str(directory)}
    environment |= {
        name: str(directory / "cache" / name.lower())
        for name in ("VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
    }
    environment |= {"PYTHONPATH": f"{CHECKOUT}/engine_image"}
    model = {**model_with_a_bos(directory / "tiny"), "model_id": MODEL}
    application = served(model, "/", request.param)
    application["args"]["llm_configs"][0]["engine_kwargs"]["enforce_eager"] = False
    (port,) = free_ports(1)
    with LocalRay(str(engine_python()), RayNode(cpus=4), environment) as ray:
        life = Life(ray, f"http://127.0.0.1:{port}", mark, request.param, application, {}, [], [])
        life.deploy(application)
        wait_until("the model being served", lambda: is_running(life), seconds=START_SECONDS)
        life.state |= life.application()
        wait_for_endpoint(f"{life.address}/v1")
        life.first += [life.chat() for _ in range(ROUNDS)]
        took = wait_until("the metrics of the start", lambda: engine_seconds(life) or None, seconds=60)
        life.engine_seconds.append(took)
        yield life


def is_running(life: Life) -> bool | None:
    """Return True once the application runs, None before; fail with its message if it never will."""
    state = life.application()
    messages = [each.get("message", "") for each in state.get("deployments", {}).values()]
    assert not any("rayllm_failure" in message for message in messages), messages
    return True if state.get("status") == "RUNNING" else None


def found(life: Life, name: str) -> list[tuple[dict[str, str], float]] | None:
    """Return the samples of a metric, None before there are any."""
    return life.samples(name) or None


SLACK_SECONDS = 1.2
"""What a busy machine may add to an answer of some 30 ms; without a warm-up a quiet one takes 1.9 s."""


def as_warm_as_later_ones(answers: list[Answer]) -> bool:
    """Return whether the first answer took at most 1.5 times what the later ones took, by their median."""
    first, *later = [answer.seconds for answer in answers]
    typical = statistics.median(later)
    print(f"first / later: {first / typical:.2f}", [round(each.seconds, 3) for each in answers])  # noqa: T201
    return first <= max(1.5 * typical, typical + SLACK_SECONDS)


def test_the_first_request_finds_everything_warm(life: Life) -> None:
    assert [answer.status for answer in life.first] == [200] * ROUNDS, life.first
    assert as_warm_as_later_ones(life.first)


def test_ray_starts_no_process_to_look_for_files_that_are_there(life: Life) -> None:
    logs = [path.read_text(errors="replace") for path in life.ray.serve_logs.glob("replica_*")]
    assert any("Starting" in log or "Started" in log for log in logs), logs
    assert not any("Running tasks to download model files" in log for log in logs)


def test_serves_rest_api_proves_what_serves(life: Life) -> None:
    state = life.state
    assert state["deployed_app_config"] == life.rendered
    (model,) = [each for name, each in state["deployments"].items() if name.startswith("RayLLMServer:")]
    assert (state["status"], model["status"]) == ("RUNNING", "HEALTHY")
    (replica,) = model["replicas"]
    assert replica["state"] == "RUNNING"
    assert replica["start_time_s"] >= state["last_deployed_time_s"]


def test_metrics_tell_of_the_start_and_of_requests(life: Life) -> None:
    life.chat(temperature=-1)
    wanted = {("/v1/chat/completions", "ok"), ("/v1/chat/completions", "client_error")}

    def counted() -> list[tuple[dict[str, str], float]] | None:
        found = life.samples("ray_rayllm_requests_total")
        return found if wanted <= {(labels["endpoint"], labels["outcome"]) for labels, _ in found} else None

    requests = wait_until("the counted requests", counted, seconds=60)
    warm_ups = wait_until("the warm-up", partial(found, life, "ray_rayllm_warm_up_seconds"), seconds=60)
    assert {labels["model_id"] for labels, _ in [*requests, *warm_ups]} == {MODEL}
    for replica, seconds in {labels["replica"]: value for labels, value in warm_ups}.items():
        started, ended = (life.phases(which, replica) for which in ("started", "ended"))
        assert started["download"] <= ended["download"] <= started["engine"] < ended["engine"]
        assert ended["engine"] <= started["warm_up"] < ended["warm_up"]
        assert 0 < seconds <= ended["warm_up"] - started["warm_up"] + 1


def test_vllms_and_serves_own_metrics_have_the_labels_that_the_page_says(life: Life) -> None:
    page = (CHECKOUT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(ray_(?:vllm|serve)_\w+)` \| ([^|]*) \|", page, re.MULTILINE)
    assert rows

    def found_after_a_request(name: str) -> list[tuple[dict[str, str], float]] | None:
        # vLLM sets its gauges while it works, and Ray forgets a gauge that is not set again.
        assert life.chat().status == 200
        return found(life, name)

    for name, labels in rows:
        samples = wait_until(name, partial(found_after_a_request, name), seconds=60)
        # Of requests that belong to no application, such as probes, Serve leaves some labels out.
        wanted = set(re.findall(r"`(\w+)`", labels))
        assert any(wanted <= set(seen) for seen, _ in samples), (name, wanted, samples)
    assert {labels["model_name"] for labels, _ in life.samples("ray_vllm_generation_tokens_total")} == {MODEL}


@pytest.mark.parametrize(
    ("path", "body", "statuses"),
    [
        (CHAT, {"model": "no/such", "messages": [{"role": "user", "content": "x"}]}, {404}),
        (CHAT, {"model": MODEL}, {400}),
        (CHAT, {"model": MODEL, "messages": 5}, {400}),
        ("/v1/completions", {"model": MODEL, "prompt": "x" * 5000}, {400}),
        ("/v1/completions", {"model": MODEL, "prompt": "x", "temperature": -1}, {400}),
        ("/v1/completions", {"model": MODEL, "prompt": "x", "logit_bias": {"99999": 1}}, {400}),
        ("/v1/embeddings", {"model": MODEL, "input": "x"}, {400, 404}),
        ("/v1/nothing", {}, {404}),
    ],
)  # fmt: skip
def test_an_error_is_openais_object_without_anything_of_the_inside(
    life: Life, path: str, body: Mapping[str, Any], statuses: set[int]
) -> None:
    answer = life.post(path, body)
    assert answer.status in statuses, answer
    assert answer.error["message"]
    assert answer.error["code"] == answer.status
    assert not INSIDE.search(answer.body), answer.body


def test_a_failed_starts_line_ends_the_deployments_message(life: Life) -> None:
    longer, invalid = copy.deepcopy(life.rendered), copy.deepcopy(life.rendered)
    longer |= {"name": "longer", "route_prefix": "/longer"}
    longer["args"]["llm_configs"][0]["engine_kwargs"]["max_model_len"] = 100_000
    invalid |= {"name": "invalid", "route_prefix": "/invalid"}
    invalid["args"]["llm_configs"][0]["experimental_configs"]["rayllm"]["nonsense"] = 1
    life.deploy(life.rendered, longer, invalid)

    def messages() -> tuple[str, str] | None:
        states = life.ray.applications()
        deployments = states.get("longer", {}).get("deployments", {}).values()
        at_start = [each["message"] for each in deployments if "rayllm_failure" in each["message"]]
        at_build = states.get("invalid", {}).get("message", "")
        return (at_start[0], at_build) if at_start and "rayllm_failure" in at_build else None

    at_start, at_build = wait_until("both failures", messages, seconds=START_SECONDS)
    life.deploy(life.rendered)
    line = json.loads(at_start.strip().splitlines()[-1])
    assert (line["reason"], line["longest"]) == ("ContextTooLong", 4096)
    assert json.loads(at_build.strip().splitlines()[-1])["reason"] == "InvalidSettings"


@pytest.fixture(scope="module")
def meanwhile(life: Life) -> list[Answer]:
    """Kill the engine, and return what clients were answered until another replica gave the last answer."""
    (core,) = life.engine_cores()
    os.kill(core, signal.SIGKILL)
    killed = time.monotonic()
    answers: list[Answer] = []

    def replaced() -> bool | None:
        answers.append(life.chat())
        return True if answers[-1].status == 200 and core not in life.engine_cores() else None

    wait_until("an answer of the replica that replaces it", replaced, seconds=START_SECONDS)
    print(f"replaced after {time.monotonic() - killed:.0f} s", {each.status for each in answers})  # noqa: T201
    return answers


def test_no_answer_of_a_dead_engine_shows_the_inside(meanwhile: list[Answer]) -> None:
    *failed, _ = meanwhile
    assert failed, "no request was sent while the engine was dead"
    assert not [answer.body for answer in failed if INSIDE.search(answer.body)]


@pytest.mark.usefixtures("meanwhile")
def test_a_dead_engine_is_noticed_and_reported_with_its_cause(life: Life) -> None:
    log = "\n".join(path.read_text(errors="replace") for path in life.ray.serve_logs.glob("replica_*"))
    lines = [json.loads(line) for line in re.findall(r'\{"rayllm_failure": 1.*\}', log)]
    assert "EngineKilled" in {line["reason"] for line in lines}, lines
    assert "health check failed" in log


@pytest.mark.usefixtures("meanwhile")
def test_the_replacement_is_warm_too_and_its_engine_starts_from_the_caches_of_the_first(life: Life) -> None:
    # The very first answer also waited for the replica, so that its time says nothing.
    later = [life.chat() for _ in range(ROUNDS)]
    assert [answer.status for answer in later] == [200] * ROUNDS
    assert as_warm_as_later_ones(later)
    (first,) = life.engine_seconds

    def second() -> float | None:
        return next((took for replica, took in engine_seconds(life).items() if replica not in first), None)

    seconds = wait_until("the metrics of the second replica", second, seconds=60)
    print("engine and warm-up of the first and second replica:", *first.values(), seconds)  # noqa: T201
    assert seconds < 0.8 * next(iter(first.values()))


def engine_seconds(life: Life) -> dict[str, float]:
    """Return how long engine and warm-up took, by replica."""
    started = life.samples("ray_rayllm_startup_phase_started_timestamp_seconds")
    ended = life.samples("ray_rayllm_startup_phase_ended_timestamp_seconds")
    began = {labels["replica"]: value for labels, value in started if labels["phase"] == "engine"}
    done = {labels["replica"]: value for labels, value in ended if labels["phase"] == "warm_up"}
    return {replica: done[replica] - began[replica] for replica in began.keys() & done.keys()}
