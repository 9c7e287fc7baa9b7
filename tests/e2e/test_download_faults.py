"""Whatever happens to a download, there is never a snapshot with other bytes than its mirror has."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.e2e.test_mirrors import at, below
from tests.harness.buckets import KEYS, S3Server, Wire, s3_server
from tests.harness.downloads import MirrorMachine, contents, finished
from tests.harness.local_stack import engine_python, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(1800)]

WEIGHTS = random.Random(0).randbytes(24 << 20)  # noqa: S311 (not a secret)
VERSIONS = {
    version: {"config.json": b"{}", "hash": version.encode(), "shared": WEIGHTS, "own": WEIGHTS[index:]}
    for index, version in enumerate(("v1", "v2"), start=1)
}
FAR = """
import sys
from rayllm_engine.mirror import fetch, locks
locks.BEAT_SECONDS, locks.DEAD_SECONDS = 0.2, 3
fetch.this_machine = lambda: sys.argv[2]
from rayllm_engine.mirror import cache
cache.this_machine = fetch.this_machine
sys.exit(fetch.main([sys.argv[1]]))
"""
"""A download on a machine of the name that it is given, which waits three seconds for another that is dead."""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        for version, files in VERSIONS.items():
            server.fill("bucket", below(version, files), part_size=5 << 20)
        yield server


def check_snapshots(machine: MirrorMachine) -> int:
    """Hold every snapshot that there is against its mirror; return their number."""
    found = list((machine.folder / "snapshots").glob("[!.]*"))
    for snapshot in found:
        assert contents(snapshot) == VERSIONS[snapshot.name], f"{snapshot.name} is wrong"
    with contextlib.suppress(FileNotFoundError):
        main = (machine.folder / "refs" / "main").read_text()
        assert main in {each.name for each in found}, f"refs/main names {main!r}, which is not there"
    return len(found)


@pytest.mark.property
def test_killed_at_random_moments_it_never_leaves_a_wrong_snapshot(
    s3: S3Server, machine: MirrorMachine
) -> None:
    kills = min(100, settings().max_examples // 10)
    chance = random.Random(random.random())  # noqa: S311 (pytest-randomly prints what it began with)
    began = time.monotonic()
    machine.fetch("s3://bucket/v1", s3=at(s3))
    whole, interrupted, downloads = time.monotonic() - began, 0, 0
    # Some end before they are killed; more of them where the first one was slow, whose time is the measure.
    while downloads < kills or (interrupted < kills // 2 and downloads < 5 * kills):
        downloads += 1
        process = machine.start(f"s3://bucket/{chance.choice(list(VERSIONS))}", s3=at(s3))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.2, 1.1) * whole)
        process.kill()
        process.communicate()
        interrupted += process.returncode == -signal.SIGKILL
        check_snapshots(machine)
        if chance.random() < 0.5:  # so that the next one has something to do
            for blob in list((machine.folder / "blobs").glob("*"))[:2]:
                blob.unlink()
            subprocess.run(["rm", "-rf", machine.folder / "snapshots", machine.folder / "refs"], check=True)
    assert interrupted >= kills // 2, f"only {interrupted} of {downloads} downloads were still running"
    for version in VERSIONS:
        machine.fetch(f"s3://bucket/{version}", s3=at(s3))
    assert check_snapshots(machine) == len(VERSIONS)
    assert not list(machine.folder.rglob("*.incomplete*"))


def reply(status: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>says the store</Message></Error>"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        pytest.param("404 Not Found", "NoSuchKey", "check bucket_uri", id="missing"),
        pytest.param("403 Forbidden", "AccessDenied", "give the pod credentials", id="forbidden"),
        pytest.param("400 Bad Request", "ExpiredToken", "check --region", id="expired"),
        pytest.param("503 Slow Down", "SlowDown", "check the store", id="overloaded"),
    ],
)
def test_a_refused_object_is_named_with_the_stores_answer(
    wire: Wire, machine: MirrorMachine, status: str, code: str, advice: str
) -> None:
    wire.replies["/v1/own"] = reply(status, code)
    sentence = machine.refusal("s3://bucket/v1", s3=at(wire))
    assert sentence.startswith(
        f"s3://bucket/v1/own: the store answered {status[:3]} {code}: says the store; "
    )
    assert advice in sentence
    assert check_snapshots(machine) == 0
    wire.replies.clear()
    machine.fetch("s3://bucket/v1", s3=at(wire))
    assert check_snapshots(machine) == 1


def test_a_slow_store_is_waited_for(wire: Wire, machine: MirrorMachine) -> None:
    wire.pause = 0.02
    assert contents(machine.fetch("s3://bucket/v1", s3=at(wire))) == VERSIONS["v1"]


def test_a_hash_object_that_changes_makes_a_new_snapshot_and_keeps_the_old(
    s3: S3Server, machine: MirrorMachine
) -> None:
    s3.fill("moving", below("m", VERSIONS["v1"]))
    machine.fetch("s3://moving/m", s3=at(s3))
    s3.fill("moving", below("m", VERSIONS["v2"]))
    machine.fetch("s3://moving/m", s3=at(s3))
    assert check_snapshots(machine) == 2
    assert (machine.folder / "refs" / "main").read_text() == "v2"


def test_two_machines_with_one_volume_download_once_and_a_stopped_one_spoils_nothing(
    s3: S3Server, wire: Wire, machine: MirrorMachine
) -> None:
    mirror = {"model": "org/model", "uri": "s3://bucket/v1", "s3": at(wire)}
    environment = {"PATH": os.environ["PATH"], "HOME": str(machine.home), **KEYS}

    def start(name: str) -> "subprocess.Popen[str]":
        command = [str(engine_python()), "-c", FAR, json.dumps(mirror), name]
        pipes = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipes, stderr=pipes, text=True)

    wire.hold.clear()
    first = start("one")
    wait_until("the first machine's download", lambda: wire.fetched("own") or None, seconds=60)
    second = start("two")
    time.sleep(5)  # longer than a dead machine is waited for: the first one shows signs of life
    assert len(wire.fetched("own")) == 1, "both machines download"
    first.send_signal(signal.SIGSTOP)
    wait_until("the second machine's download", lambda: len(wire.fetched("own")) > 1 or None, seconds=60)
    wire.hold.set()
    finished(second)
    assert check_snapshots(machine) == 1
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=120)  # it may succeed, or say that its files were removed
    assert check_snapshots(machine) == 1
    machine.fetch("s3://bucket/v1", s3=at(s3))
