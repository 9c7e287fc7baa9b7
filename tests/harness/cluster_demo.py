"""A release with a model on a real cluster, to look at: ``make node`` and ``make kind``.

It brings the cluster up with KubeRay, installs the chart, applies ``examples/``, shows the model's status as it changes,
and ends with an answer of the model through its Service. It stays up until Ctrl-C.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from tests.harness.demo import FILES, PROXY_PORT, Story, only_one, serve, stay_up
from tests.harness.local_stack import StackError, program
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
    for path in FILES:
        stack.callback(kubectl, "delete", "--filename", str(path), "--ignore-not-found", "--timeout=180s")
    check = stack.enter_context(program("kubectl-proxy", kubectl.start_proxy(PROXY_PORT), logs))
    serve(story, kubectl, check, "llm,pods")
    if stay:
        stay_up(story, kubectl, check)


if __name__ == "__main__":
    sys.exit(main())
