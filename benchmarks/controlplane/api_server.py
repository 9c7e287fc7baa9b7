"""A fresh API server for each subject, which writes down what the subject asks of it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from tests.harness.kuberay_crds import KUBERAY_KINDS, find_kuberay_crds
from tests.harness.local_stack import Kubectl, StackError, control_plane, first_free_port_of, wait_for_kinds
from tests.harness.rayllm_api import RayllmApi

_ACCOUNT = "subject"
_USER = f"system:serviceaccount:kube-system:{_ACCOUNT}"
_WRITING = frozenset({"create", "update", "patch", "delete"})


@dataclass(frozen=True)
class Request:
    """A request of the subject that was answered."""

    verb: str
    resource: str
    """Plural name of the kind, with the subresource if there is one: ``llmmodels/status``."""
    name: str
    code: int
    began: float
    """When it arrived, in seconds since the epoch."""
    ended: float

    @property
    def writes(self) -> bool:
        """Whether it changes something, or would if there were a difference."""
        return self.verb in _WRITING and self.code < 300  # noqa: PLR2004 - HTTP's successes


class Audit:
    """The audit log of an API server, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.requests: list[Request] = []

    def read(self) -> list[Request]:
        """Read on; return what is new."""
        with self._path.open("rb") as log:
            log.seek(self._offset)
            data = self._rest + log.read()
            self._offset = log.tell()
        *lines, self._rest = data.split(b"\n")
        new = [request for line in lines if (request := _request(json.loads(line)))]
        self.requests += new
        return new


def _request(event: dict[str, object]) -> Request | None:
    found: dict[str, str] = event.get("objectRef") or {}  # type: ignore[assignment]
    if (event["verb"] == "watch") != (event["stage"] == "ResponseStarted"):
        return None  # a watch counts when it is opened, everything else when it is over
    resource = "/".join(filter(None, (found.get("resource", ""), found.get("subresource", ""))))
    code = int((event.get("responseStatus") or {}).get("code", 0))  # type: ignore[attr-defined]
    times = (_seconds(str(event[key])) for key in ("requestReceivedTimestamp", "stageTimestamp"))
    return Request(str(event["verb"]), resource, found.get("name", ""), code, *times)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True)
class ApiServer:
    """An API server with both sets of CRDs and the admission policies, and nothing on it."""

    kubectl: Kubectl
    subject: Path
    """The subject's kubeconfig."""
    audit: Audit

    def process(self, name: str) -> int:
        """Return the process id of a part of the control plane."""
        return int((self.kubectl.kubeconfig.parent / "pid" / name).read_text())


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Bring one up, and take it down with the block."""
    crds = find_kuberay_crds()
    if crds is None:
        raise StackError("KubeRay's CRDs are not at hand: set KUBERAY_CRDS to the folder that has them")
    log = folder / "audit.log"
    flags = f"--audit-policy-file={_policy(folder)} --audit-log-path={log} --audit-log-mode=blocking"
    # In MB: one file, however long. 0 is 100 here, which the edits of 10,000 models' pool exceed.
    flags += " --audit-log-maxsize=1000000"
    log.touch()
    with control_plane(f"bench-{os.getpid()}", first_free_port_of(3), api_flags=flags) as kubectl:
        kubectl.apply(crds, "--server-side")
        wait_for_kinds(kubectl, *KUBERAY_KINDS)
        RayllmApi(kubectl, folder).install()
        kubectl("create", "namespace", "models")
        yield ApiServer(kubectl, _log_in(kubectl, folder), Audit(log))


def _policy(folder: Path) -> Path:
    rules = [{"level": "Metadata", "users": [_USER]}, {"level": "None"}]
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({**policy, "rules": rules}))
    return path


def _log_in(kubectl: Kubectl, folder: Path) -> Path:
    """Make the subject's account, which may do everything; return its kubeconfig."""
    kubectl("create", "serviceaccount", _ACCOUNT, "--namespace=kube-system")
    binding = ("create", "clusterrolebinding", _ACCOUNT, "--clusterrole=cluster-admin")
    kubectl(*binding, f"--serviceaccount=kube-system:{_ACCOUNT}")
    token = kubectl("create", "token", _ACCOUNT, "--namespace=kube-system", "--duration=24h").strip()
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
