"""Two operators and one Lease: one works, the other waits and takes over."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.field_changes import BASE
from tests.harness.local_stack import Kubectl
from tests.harness.rayllm_api import RayllmApi, model
from tests.integration.operator_process import OperatorProcess, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SECONDS = 6
"""How long the Lease lasts; who holds it stops after four seconds without a renewal."""


class Pair:
    """Two operators that serve one namespace."""

    def __init__(self, api: RayllmApi, folder: Path) -> None:
        self._api = api
        self.namespace = api.namespace
        lease = ("--lease", f"{api.namespace}/operator", "--lease-seconds", str(SECONDS))
        arguments = (*lease, "--namespace", api.namespace)
        self.operators = [
            OperatorProcess(api.kubectl.kubeconfig, folder / name, *arguments) for name in ("a", "b")
        ]
        for operator in self.operators:
            operator.wait_until_ready()

    def leader(self) -> OperatorProcess:
        """Wait until one operator leads, and return it."""
        return eventually(self._leading, "somebody leads")[0]

    def other(self, operator: OperatorProcess) -> OperatorProcess:
        """Return the other one."""
        return next(each for each in self.operators if each is not operator)

    def lease(self) -> dict[str, Any]:
        """Return what the Lease says."""
        found = self._api.kubectl.json("--namespace", self.namespace, "get", "lease", "operator")
        spec: dict[str, Any] = found["spec"]
        return spec

    def _leading(self) -> list[OperatorProcess]:
        leading = [each for each in self.operators if each.leads]
        assert len(leading) <= 1, "both lead"
        return leading

    def judges(self, name: str) -> bool:
        """Apply a model, and return whether somebody judges it."""
        self._api.apply(model(BASE, name))
        path = "jsonpath={.status.observedGeneration}"
        return eventually(lambda: self._api("get", "llm", name, "-o", path) == "1", "it is judged")


@pytest.fixture
def pair(cluster: Kubectl, rayllm_api: RayllmApi, tmp_path: Path) -> Iterator[Pair]:
    """Run two operators, and end them in the end whatever state they are in."""
    assert cluster.kubeconfig == rayllm_api.kubectl.kubeconfig
    started = Pair(rayllm_api, tmp_path)
    yield started
    for operator in started.operators:
        operator.send(signal.SIGKILL)
        operator.wait()


def test_one_works_and_the_other_is_ready_and_writes_nothing(pair: Pair) -> None:
    leader = pair.leader()
    standby = pair.other(leader)
    assert pair.judges("first")
    assert leader.writes() > 0
    assert standby.writes() == 0
    assert "true" in standby.get("/readyz")
    assert pair.lease()["leaseTransitions"] == 1


def test_who_is_told_to_end_gives_the_lease_back_and_the_other_goes_on(pair: Pair) -> None:
    leader = pair.leader()
    standby = pair.other(leader)
    assert leader.stop() == 0, leader.log.read_text()[-3000:]
    assert eventually(lambda: standby.leads, "the other leads", SECONDS / 2)
    assert pair.judges("second")


def test_who_dies_is_replaced_when_the_lease_is_over(pair: Pair) -> None:
    leader = pair.leader()
    standby = pair.other(leader)
    leader.send(signal.SIGKILL)
    began = time.monotonic()
    assert eventually(lambda: standby.leads, "the other leads", 3 * SECONDS)
    assert time.monotonic() - began > SECONDS / 2, "it took a Lease that was not over"
    assert pair.judges("third")


def test_who_could_not_renew_ends_before_it_writes_again(pair: Pair) -> None:
    leader = pair.leader()
    standby = pair.other(leader)
    leader.send(signal.SIGSTOP)
    assert eventually(lambda: standby.leads, "the other leads", 3 * SECONDS)
    holder = pair.lease()["holderIdentity"]
    leader.send(signal.SIGCONT)
    assert leader.wait() == 1, "Kubernetes starts it anew, as a standby"
    assert "another operator may lead now" in leader.log.read_text()
    assert pair.lease()["holderIdentity"] == holder
