"""The soak itself."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.faults.admin import LLM_MODEL, NAMESPACE
from tests.faults.faults import Fault
from tests.faults.operators import Operator
from tests.faults.proxy import FaultyProxy
from tests.faults.site import World
from tests.harness.kuberay_standin.kube import ApiError
from tests.soak.bad_weather import BadWeather
from tests.soak.memory import MEBIBYTE, Memory
from tests.soak.tenant import POOL, SoakSite, Tenant, namespaces

RESYNC_SECONDS = 30
SAMPLE_SECONDS = 10.0
RESTART_SECONDS = 120.0
"""Between two kills of the operator, in the first third of the time; a short soak has at least four."""
CUT_SECONDS = 300.0
"""Between two moments at which every connection is closed."""
REST_SECONDS = 600.0
"""How long everything may take to be as it has to be, once the weather is good."""

_SLOW_TICK_SECONDS = 20.0
_LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    """How long, and how much."""

    seconds: float
    models: int
    deeds_a_minute: float
    seed: int

    @property
    def restarts_until(self) -> float:
        """Seconds after which the operator is left alone, so that its memory can be watched."""
        return self.seconds / 3

    @property
    def restart_seconds(self) -> float:
        """Seconds between two kills."""
        return min(RESTART_SECONDS, self.restarts_until / 5)

    @property
    def watched_from(self) -> float:
        """Seconds after which its memory counts: it has seen everything by then."""
        return self.seconds / 2


class Soak:
    """One run, and what came of it."""

    def __init__(self, world: World, plan: Plan, say: Callable[[str], None], chance: random.Random) -> None:
        self.plan = plan
        self.problems: list[str] = []
        self.deeds: Counter[str] = Counter()
        self.weather = BadWeather(chance)
        self.memory = Memory()
        self.restarts = 0
        self.requests = 0
        self.seconds_to_rest = 0.0
        self._world = world
        self._say = say
        self._chance = chance
        self._began = 0.0
        self._proxy = FaultyProxy(world.admin, world.kuberay.ray, world.history, "", POOL)

    async def run(self) -> None:
        """Soak, let it rest, and take everything away."""
        self._world.kuberay.slow_tick_seconds = _SLOW_TICK_SECONDS
        folder = self._world.folder / "operator"
        await asyncio.to_thread(folder.mkdir)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._proxy.running())
            settings = {"resyncSeconds": RESYNC_SECONDS}
            operator = Operator(self._world.zygote, folder, self._proxy.port, settings)
            tenants = await self._move_in(operator)
            await operator.start()
            stack.push_async_callback(operator.stop)
            self._began = _now()
            await self._soak(operator, tenants)
            await self._rest(tenants)
            await self._move_out(tenants)

    async def _move_in(self, operator: Operator) -> list[Tenant]:
        tenants = []
        for name in namespaces(self.plan.models):
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await self._world.api.create(NAMESPACE, manifest)
            site = SoakSite(self._world, name, self._proxy, operator)
            tenants.append(Tenant(site, self._chance))
        await tenants[0].site.apply_pool(maxNodes=10_000)
        return tenants

    async def _soak(self, operator: Operator, tenants: list[Tenant]) -> None:
        self._proxy.arm(self.weather)
        work = (
            self._every(60 / self.plan.deeds_a_minute, lambda: self._deed(tenants)),
            self._every(SAMPLE_SECONDS, lambda: self._sample(operator)),
            self._every(self.plan.restart_seconds, lambda: self._restart(operator)),
            self._every(CUT_SECONDS, self._cut),
        )
        await asyncio.gather(*work)

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while (left := self._began + self.plan.seconds - _now()) > 0:
            await asyncio.sleep(min(seconds, left))
            await do()

    async def _deed(self, tenants: list[Tenant]) -> None:
        tenant = self._chance.choice(tenants)
        try:
            self.deeds[await tenant.act()] += 1
        except (AssertionError, ApiError) as refusal:
            self.deeds[f"refused: {refusal}"[:80]] += 1

    async def _sample(self, operator: Operator) -> None:
        try:
            pages = int(Path(f"/proc/{operator.pid}/statm").read_text().split()[1])  # noqa: ASYNC240 - no disk
        except OSError:
            return  # it is being started again
        self.memory.note(_now() - self._began, pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE)

    async def _restart(self, operator: Operator) -> None:
        if _now() - self._began < self.plan.restarts_until:
            operator.kill()
            self.restarts += 1

    async def _cut(self) -> None:
        self._count_requests()
        self._proxy.arm(self.weather)
        self._proxy.cut()
        grown = f"{self.memory.mebibytes[-1]:.1f} MiB" if self.memory.mebibytes else ""
        self._say(
            f"{_now() - self._began:.0f} s: {self.deeds.total()} deeds, {self.requests} requests, {grown}"
        )

    async def _rest(self, tenants: list[Tenant]) -> None:
        self._count_requests()
        self._proxy.arm(Fault())
        began, problems = _now(), ["nobody has looked yet"]
        while problems and _now() - began < REST_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            problems = [problem for tenant in tenants for problem in await tenant.problems()]
        self.seconds_to_rest = _now() - began
        self.problems += problems
        watched = self.memory.after(self.plan.watched_from)
        if watched.an_hour >= 1.0:
            self.problems.append(f"memory grows by {watched.an_hour:.1f} MiB an hour")

    async def _move_out(self, tenants: list[Tenant]) -> None:
        for tenant in tenants:
            if await tenant.site.find(LLM_MODEL) is not None:
                await tenant.site.delete_model()
        began, left = _now(), ["nobody has looked yet"]
        while left and _now() - began < REST_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            left = [f"{tenant.site.namespace}: {name}" for tenant in tenants for name in await tenant.left()]
        self.problems += [f"left behind: {name}" for name in left]

    def _count_requests(self) -> None:
        self.requests += len(self._proxy.record.calls)


def _now() -> float:
    return asyncio.get_running_loop().time()
