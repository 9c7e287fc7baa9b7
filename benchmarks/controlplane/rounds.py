"""What is done to one subject, and what is measured."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.controlplane.api_server import ApiServer, Audit, Request, api_server
from benchmarks.controlplane.objects import LLM_MODEL, POOL, model, pool
from benchmarks.controlplane.subjects import OURS, Process, running
from benchmarks.controlplane.users import PROBE, create_models, edit_probe, read_on, report_statuses
from rayllm_operator.controller.readiness import KUBERAY_GRACE_SECONDS
from tests.harness.kuberay_standin import kube
from tests.harness.local_stack import StackError

QUIET_SECONDS = 10.0
"""How long a subject may ask for nothing before it counts as quiet."""
BUSY_SECONDS = 0.5
"""CPU that a subject takes while it is quiet; one that takes more is about to ask for something."""
IDLE_SECONDS = 60.0
"""How long an idle subject is watched."""
MISSED_SECONDS = KUBERAY_GRACE_SECONDS + 5
"""There is no KubeRay here. Our operator says so of each model, once, when this time is over."""
STATUSES_A_MINUTE = 1000
POOL_EDITS = (
    ("a price, which only statuses tell", {"pricePerHour": "1.25"}),
    ("tolerations, which new clusters need", {"tolerations": [{"key": "gpu", "operator": "Exists"}]}),
)
"""Edits of the pool that all models use, and what follows from each."""
_LOOK_SECONDS = 0.1
_FIRST_SECONDS = 120.0
_SECONDS = 3600.0

Say = Callable[[str], None]


@dataclass
class Burst:
    """Many models at once."""

    models: int
    seconds: float = 0.0
    """From the first creation to the last status."""
    cpu: float = 0.0
    """The subject's seconds of CPU."""
    api_server_cpu: float = 0.0
    """The API server's and etcd's."""
    statuses: int = 0
    """Writes of models' statuses."""
    own_writes: int = 0
    """Writes of models, statuses included."""
    writes: int = 0
    """All writes."""
    edits: list[float] = field(default_factory=list)
    """Seconds from an edit to the write of its RayService."""


@dataclass
class Calm:
    """The same models, and nothing to do."""

    memory_before: float
    """MiB with one model."""
    memory: float
    """MiB with all models."""
    idle_requests: Counter[str]
    """While it was watched, by verb and kind; watches that were opened anew are not counted."""
    idle_cpu: float
    """Seconds of CPU in this time."""
    spec_writes: int
    """While KubeRay changed 1,000 statuses of RayServices in a minute: writes of anything but statuses."""
    restart_writes: int = 0
    restart_seconds: float = 0.0
    """From the start to the last request."""
    restart_cpu: float = 0.0
    memory_after_restart: float = 0.0


@dataclass
class PoolEdit:
    """A pool that all models use was edited."""

    what: str
    seconds: float
    """From the edit to the last write that came of it."""
    writes: int
    most_a_second: int
    """Writes in the busiest second."""
    ray_services: int
    """Writes of RayServices among them."""
    reads: list[float]
    """Seconds that a user's reads took meanwhile."""


class Turn:
    """One subject on a fresh API server."""

    def __init__(self, subject: str, server: ApiServer) -> None:
        self.subject = subject
        self._server = server
        self._memory_before = 0.0

    async def burst(self, api: kube.Api, process: Process, models: int, *, edits: bool) -> Burst:
        """Create models, and wait until each has a status; meanwhile one other model is edited."""
        audit, over = self._server.audit, asyncio.Event()
        self._memory_before = process.memory
        audit.read()
        first, cpu, server_cpu = len(audit.requests), process.cpu, self._server_cpu()
        began = time.time()
        async with asyncio.TaskGroup() as group:
            group.create_task(create_models(api, models))
            editing = group.create_task(edit_probe(api, audit, over)) if edits else None
            await self._until_told(process, first, models)
            over.set()
        measured = audit.requests[first:]
        last = max(request.ended for request in measured if _is_status(request))
        return Burst(
            models,
            last - began,
            process.cpu - cpu,
            self._server_cpu() - server_cpu,
            statuses=sum(_is_status(request) for request in measured),
            own_writes=sum(
                request.writes and request.resource.startswith("llmmodels") for request in measured
            ),
            writes=sum(request.writes for request in measured),
            edits=editing.result() if editing else [],
        )

    async def calm(self, api: kube.Api, process: Process, models: int) -> Calm:
        """Look at a subject that has nothing to do."""
        audit = self._server.audit
        await asyncio.sleep(MISSED_SECONDS)
        await self.until_quiet(process)
        first, cpu = len(audit.requests), process.cpu
        await asyncio.sleep(IDLE_SECONDS)
        audit.read()
        idle = Counter(
            f"{request.verb} {request.resource}"
            for request in audit.requests[first:]
            if request.verb != "watch"
        )
        idle_cpu, memory = process.cpu - cpu, process.memory
        first = len(audit.requests)
        await report_statuses(api, models, STATUSES_A_MINUTE)
        await self.until_quiet(process)
        spec_writes = sum(
            request.writes and "/status" not in request.resource and request.resource != "events"
            for request in audit.requests[first:]
        )
        return Calm(self._memory_before, memory, idle, idle_cpu, spec_writes)

    async def restart(self, process: Process, began: float, first: int, calm: Calm) -> None:
        """Measure a subject that was started anew beside all its models."""
        last = await self.until_quiet(process)
        requests = self._server.audit.requests[first:]
        calm.restart_seconds, calm.restart_cpu = last - began, process.cpu
        calm.restart_writes = sum(request.writes for request in requests)
        calm.memory_after_restart = process.memory

    async def edit_pool(self, api: kube.Api, process: Process, what: str, change: kube.Object) -> PoolEdit:
        """Edit the pool, and look at what comes of it and at how the API server does meanwhile."""
        audit = self._server.audit
        audit.read()
        first, began, over = len(audit.requests), time.time(), asyncio.Event()
        await api.merge(POOL, pool(), {"spec": change})
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read_on(api, over))
            await self.until_quiet(process)
            over.set()
        writes = [request for request in audit.requests[first:] if request.writes]
        seconds = Counter(int(request.ended) for request in writes)
        return PoolEdit(
            what,
            max((request.ended for request in writes), default=began) - began,
            len(writes),
            max(seconds.values(), default=0),
            sum(request.resource == "rayservices" for request in writes),
            reading.result(),
        )

    async def until_quiet(self, process: Process) -> float:
        """Wait until the subject neither asks for anything nor computes; return when it asked last."""
        audit, last, cpu = self._server.audit, time.time(), process.cpu
        began = busy = last
        while time.time() - max(last, busy) < QUIET_SECONDS:
            new = await _look(process, audit)
            asked = [request.ended for request in new if request.verb != "watch"]
            last = max([last, *asked])
            if process.cpu - cpu > BUSY_SECONDS:
                busy, cpu = time.time(), process.cpu
            if time.time() - began > _SECONDS:
                raise StackError(f"{self.subject} does not come to rest")
        return last

    async def _until_told(self, process: Process, first: int, models: int) -> None:
        audit, told = self._server.audit, set[str]()
        began, seen = time.time(), first
        while len(told) < models:
            await _look(process, audit)
            told |= {each.name for each in audit.requests[seen:] if _is_status(each) and each.name != PROBE}
            seen = len(audit.requests)
            if time.time() - began > _SECONDS:
                raise StackError(f"{self.subject}: {len(told)} of {models} models have a status")

    def _server_cpu(self) -> float:
        return sum(Process(self._server.process(name)).cpu for name in ("kube-apiserver", "etcd"))


def _is_status(request: Request) -> bool:
    return request.writes and request.resource == "llmmodels/status"


async def measure_burst(subject: str, models: int, folder: Path, say: Say, *, edits: bool = True) -> Burst:
    """Measure one subject on an API server of its own; the folder, which exists, gets its files."""
    with api_server(folder) as server:
        async with kube.connect(str(server.kubectl.kubeconfig)) as api:
            with running(subject, server.subject, folder) as process:
                _, burst = await _begin(subject, server, api, say, process, models, edits=edits)
                return burst


async def measure_life(
    subject: str, models: int, folder: Path, say: Say
) -> tuple[Burst, Calm, list[PoolEdit]]:
    """Measure a burst, what follows it, a restart beside all the models, and edits of their pool."""
    with api_server(folder) as server:
        async with kube.connect(str(server.kubectl.kubeconfig)) as api:
            with running(subject, server.subject, folder) as process:
                turn, burst = await _begin(subject, server, api, say, process, models, edits=True)
                calm = await turn.calm(api, process, models)
            first, began = len(server.audit.requests), time.time()
            with running(subject, server.subject, folder) as process:
                await turn.restart(process, began, first, calm)
                say(f"{subject}: {calm}")
                edits = []
                for edit in POOL_EDITS if subject == OURS else ():
                    edits.append(await turn.edit_pool(api, process, *edit))
                    say(f"{subject}: {replace(edits[-1], reads=[])}")
            return burst, calm, edits


async def _begin(
    subject: str, server: ApiServer, api: kube.Api, say: Say, process: Process, models: int, *, edits: bool
) -> tuple[Turn, Burst]:
    turn = Turn(subject, server)
    await api.create(POOL, pool())
    await api.create(LLM_MODEL, model(PROBE))
    await _until_probe(server, process)
    await turn.until_quiet(process)
    burst = await turn.burst(api, process, models, edits=edits)
    say(f"{subject}: {models} models in {burst.seconds:.1f} s, {_middle(burst.edits)}, {_costs(burst)}")
    return turn, burst


async def _until_probe(server: ApiServer, process: Process) -> None:
    began = time.time()
    while not any(_is_status(request) and request.name == PROBE for request in server.audit.requests):
        await _look(process, server.audit)
        if time.time() - began > _FIRST_SECONDS:
            raise StackError("the subject gives the first model no status: see its log")


async def _look(process: Process, audit: Audit) -> list[Request]:
    """Wait for a moment; return what a subject, which must still run, asked meanwhile."""
    process.must_run()
    await asyncio.sleep(_LOOK_SECONDS)
    return audit.read()


def _costs(burst: Burst) -> str:
    return (
        f"{burst.cpu:.1f} s of CPU, {burst.api_server_cpu:.0f} s of the API server's, {burst.writes} writes"
    )


def _middle(edits: list[float]) -> str:
    return f"{len(edits)} edits, {statistics.median(edits):.2f} s" if edits else "no edits"
