"""A release with a model on a real cluster, to look at: ``make node`` and ``make kind``.

It brings the cluster up with KubeRay, installs the chart, applies ``examples/``, shows the model's status as it changes,
and ends with an answer of the model through its Service. It stays up until Ctrl-C.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.harness.demo import (
    MODEL_FILE,
    NAME,
    POOL_FILE,
    PROXY_PORT,
    VOLUME_FILE,
    Story,
    ask,
    follow,
    only_one,
)
from tests.harness.local_stack import CHECKOUT, StackError, program
from tests.harness.real_cluster import ClusterKind, real_cluster
from tests.harness.release import SMALL, SYSTEM, Release


def main() -> int:
    """Run it; the exit code is 0 after an answer."""
    parser = argparse.ArgumentParser(prog="cluster_demo", description=__doc__)
    parser.add_argument("cluster", type=ClusterKind, choices=list(ClusterKind))
    parser.add_argument("--check", action="store_true", help="take everything down after the answer")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    story = Story()
    try:
        with only_one(), contextlib.ExitStack() as stack:
            run(story, stack, arguments.cluster, stay=not arguments.check)
            story.say("taking everything down ...")
    except StackError as error:
        story.say(f"failed: {error}", "red")
        return 1
    except KeyboardInterrupt:
        story.say("interrupted; everything is down")
        return 130
    story.say("everything is down")
    return 0


def run(story: Story, stack: contextlib.ExitStack, kind: ClusterKind, *, stay: bool) -> None:
    """Tell the whole story; what it started is on the stack."""
    logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rayllm-")))
    with story.step("a cluster with KubeRay, both images and a tiny model"):
        cluster = stack.enter_context(real_cluster(kind, "node", logs))
    kubectl = cluster.kubectl
    release = Release(kubectl, cluster.operator_image, cluster.engine_image)
    with story.step(f"helm install rayllm charts/rayllm-operator --namespace {SYSTEM} --create-namespace"):
        release.helm("install", "--create-namespace", *SMALL)
        stack.callback(release.uninstall)
    for path in (VOLUME_FILE, POOL_FILE, MODEL_FILE):
        story.say(f"$ kubectl apply -f {path.relative_to(CHECKOUT)}", "bold")
        for line in kubectl.apply(path).splitlines():
            story.say(f"  {line}")
        stack.callback(kubectl, "delete", "--filename", str(path), "--timeout=180s")
    check = stack.enter_context(program("kubectl-proxy", kubectl.start_proxy(PROXY_PORT), logs))
    follow(story, kubectl, check)
    url = f"http://127.0.0.1:{PROXY_PORT}/api/v1/namespaces/default/services/{NAME}:http/proxy/v1"
    ask(story, url)
    for line in kubectl("get", "llm,pods").splitlines():
        story.say(f"  {line}", "dim")
    if stay:
        story.say(f"the endpoint is up: {url}")
        story.say(f"kubectl works with: export KUBECONFIG={kubectl.kubeconfig}")
        story.say("Ctrl-C takes everything down")
        while True:
            check()
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
