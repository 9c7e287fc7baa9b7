"""Models from buckets: the engine image's download against a real S3 server and a real GCS server.

Every download is a process of its own with the engine's python, as a replica's would be.
"""

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.harness.buckets import KEYS, GcsServer, S3Server, Wire, gcs_server, s3_server, wire_to
from tests.harness.downloads import MODEL, MirrorMachine, contents, finished
from tests.harness.http_service import http_service
from tests.harness.local_stack import engine_python, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ZEROS = "0" * 40
LARGE = random.Random(12).randbytes(12 << 20)  # noqa: S311 (no secret)
"""12 MiB, no two blocks of them alike: three parts of an upload in parts of 5 MiB."""
PART = 5 << 20
FILES: dict[str, bytes] = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}" * 1000,
    "onnx/deep/model.bin": b"nested",
    "weights.safetensors": LARGE,
    "empty": b"",
}


def below(folder: str, files: Mapping[str, bytes] = FILES) -> dict[str, bytes | Path]:
    return {f"{folder}/{path}": content for path, content in files.items()}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        server.fill("private", below("models/a"), part_size=PART)
        server.fill("private", {"models/ab/config.json": b"another model", "models/a/markers/": b""})
        server.fill("public", {"m/config.json": b"{}", "m/hash": b" 0123abc\n"}, public=True)
        yield server


def at(place: S3Server | Wire) -> dict[str, Any]:
    return {"endpoint_url": place.endpoint, "region": "us-east-1"}


def test_the_folder_is_downloaded_whole_and_nothing_beside_it(s3: S3Server, machine: MirrorMachine) -> None:
    snapshot = machine.fetch("s3://private/models/a", s3=at(s3))
    assert snapshot == machine.folder / "snapshots" / ZEROS
    assert contents(snapshot) == FILES
    assert not list(machine.folder.rglob("*.incomplete"))


def test_hugging_face_finds_the_model_by_its_id_without_asking_the_hub(
    s3: S3Server, machine: MirrorMachine
) -> None:
    snapshot = machine.fetch("s3://private/models/a/", s3=at(s3))
    look = "import sys, huggingface_hub as h; print(h.snapshot_download(sys.argv[1], local_files_only=True))"
    environment = {"HOME": str(machine.home), "PATH": os.environ["PATH"]}
    found = subprocess.run(
        [str(engine_python()), "-c", look, MODEL], env=environment, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()) == snapshot


def test_the_hash_object_names_the_snapshot(s3: S3Server, machine: MirrorMachine) -> None:
    snapshot = machine.fetch("s3://public/m", s3=at(s3))
    assert snapshot == machine.folder / "snapshots" / "0123abc"
    assert contents(snapshot) == {"config.json": b"{}", "hash": b" 0123abc\n"}
    assert (machine.folder / "refs" / "main").read_text() == "0123abc"


def test_a_second_start_downloads_nothing(s3: S3Server, wire: Wire, machine: MirrorMachine) -> None:
    first = machine.fetch("s3://private/models/a", s3=at(s3))
    assert machine.fetch("s3://private/models/a", s3=at(wire)) == first
    assert wire.requests
    assert wire.fetched() == []


def test_a_mirror_that_changed_in_place_is_downloaded_only_where_it_changed(
    s3: S3Server, wire: Wire, machine: MirrorMachine
) -> None:
    s3.fill("changing", below("m"))
    machine.fetch("s3://changing/m", s3=at(s3))
    s3.fill(
        "changing", {"m/config.json": b'{"model_type": "opt"  }'}, delete=("m/empty",)
    )  # of the same size
    snapshot = machine.fetch("s3://changing/m", s3=at(wire))
    expected = {path: content for path, content in FILES.items() if path != "empty"}
    assert contents(snapshot) == expected | {"config.json": b'{"model_type": "opt"  }'}
    assert wire.fetched() == ["/changing/m/config.json"]
    assert len(list((machine.folder / "blobs").glob("*[0-9]"))) == len(expected)


def test_a_store_with_a_certificate_of_ones_own_is_read_where_it_is_trusted(
    machine: MirrorMachine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """AWS_CA_BUNDLE is what `trustedCertificates` of the operator's configuration sets in pods."""
    with s3_server(tmp_path_factory.mktemp("tls"), tls=True) as server:
        server.fill("private", below("models/a"))
        refusal = machine.refusal("s3://private/models/a", s3=at(server))
        assert "certificate verify failed" in refusal
        assert "trustedCertificates" in refusal
        machine.environment["AWS_CA_BUNDLE"] = str(server.certificate)
        assert contents(machine.fetch("s3://private/models/a", s3=at(server))) == FILES


def test_filters_have_the_order_of_aws(s3: S3Server, machine: MirrorMachine) -> None:
    filters = [{"exclude": "*"}, {"include": "*.json"}, {"include": "onnx/*"}, {"exclude": "tokenizer*"}]
    snapshot = machine.fetch("s3://private/models/a", s3=at(s3), filters=filters)
    assert sorted(contents(snapshot)) == ["config.json", "onnx/deep/model.bin"]


def test_a_public_bucket_needs_no_credentials_and_others_refuse_without(
    s3: S3Server, machine: MirrorMachine
) -> None:
    machine.environment.clear()
    assert contents(machine.fetch("s3://public/m", s3=at(s3), anonymous=True))["config.json"] == b"{}"
    sentence = machine.refusal("s3://private/models/a", s3=at(s3), anonymous=True)
    assert sentence.startswith("s3://private/models/a/: the store answered 403 AccessDenied: ")
    assert machine.refusal("s3://public/m", s3=at(s3)) == (
        "s3://public/m/: there are no AWS credentials; give the pod credentials that may list and read it"
        " (cluster_config.env, a service account or s3_aws_credentials), or --no-sign-request in s3_sync_args"
        " for a public bucket"
    )


def test_a_refusal_says_what_the_store_said_and_what_to_do(s3: S3Server, machine: MirrorMachine) -> None:
    sentence = machine.refusal("s3://nowhere/m", s3=at(s3))
    assert sentence.startswith("s3://nowhere/m/: the store answered 404 NoSuchBucket: ")
    assert sentence.endswith("; check bucket_uri and --endpoint-url")
    machine.environment |= {"AWS_SECRET_ACCESS_KEY": "wrong"}
    sentence = machine.refusal("s3://private/models/a", s3=at(s3))
    assert sentence.startswith("s3://private/models/a/: the store answered 403 SignatureDoesNotMatch: ")
    assert "cluster_config.env" in sentence
    gone = {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1"}
    sentence = machine.refusal("s3://private/models/a", s3=gone)
    assert sentence.startswith(
        's3://private/models/a/: Could not connect to the endpoint URL: "http://127.0.0.1:9'
    )
    assert not machine.folder.exists()


def test_a_folder_without_a_model_is_refused(s3: S3Server, machine: MirrorMachine) -> None:
    assert machine.refusal("s3://private/models/none", s3=at(s3)) == (
        "s3://private/models/none/: the folder is empty; check bucket_uri"
    )
    assert machine.refusal("s3://private/models", s3=at(s3)) == (
        "s3://private/models/: the folder has no config.json; did you mean s3://private/models/a/?"
    )


def test_a_connection_that_breaks_is_taken_up_again(wire: Wire, machine: MirrorMachine) -> None:
    wire.cuts = 3
    snapshot = machine.fetch("s3://private/models/a", s3=at(wire))
    assert contents(snapshot) == FILES
    assert wire.cuts == 0


def test_a_failed_object_fails_the_start_and_the_next_start_goes_on_from_there(
    wire: Wire, machine: MirrorMachine
) -> None:
    wire.cuts = 1000
    sentence = machine.refusal("s3://private/models/a", s3=at(wire))
    assert sentence.startswith("s3://private/models/a/weights.safetensors: the transfer broke off 5 times")
    assert not (machine.folder / "snapshots").exists()
    wire.cuts, wire.requests[:] = 0, []
    assert contents(machine.fetch("s3://private/models/a", s3=at(wire))) == FILES
    assert wire.fetched() == ["/private/models/a/weights.safetensors"]


def test_a_download_that_is_killed_leaves_no_snapshot_and_the_next_one_completes(
    wire: Wire, machine: MirrorMachine
) -> None:
    wire.hold.clear()
    process = machine.start("s3://private/models/a", s3=at(wire))
    wait_until(
        "the small files",
        lambda: sum(1 for each in machine.folder.glob("blobs/*-*[0-9]")) >= len(FILES) - 1 or None,
        seconds=60,
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (machine.folder / "snapshots").exists()
    assert list(machine.folder.glob("blobs/*.incomplete"))
    wire.hold.set()
    wire.requests.clear()
    assert contents(machine.fetch("s3://private/models/a", s3=at(wire))) == FILES
    assert wire.fetched() == ["/private/models/a/weights.safetensors"]
    assert not list(machine.folder.rglob("*.incomplete"))


def test_two_replicas_on_one_machine_download_once(wire: Wire, machine: MirrorMachine) -> None:
    wire.hold.clear()
    processes = [machine.start("s3://private/models/a", s3=at(wire)) for _ in range(2)]
    wait_until("the download", lambda: wire.fetched("weights.safetensors") or None, seconds=60)
    wire.hold.set()
    snapshots = {finished(process) for process in processes}
    assert len(snapshots) == 1
    assert contents(snapshots.pop()) == FILES
    assert sorted(wire.fetched()) == sorted(set(wire.fetched()))


@pytest.mark.parametrize("part_size", [None, PART], ids=["in one piece", "in parts"])
def test_bytes_that_changed_on_their_way_are_found_out(
    s3: S3Server, wire: Wire, machine: MirrorMachine, part_size: int | None
) -> None:
    s3.fill(
        "spoiled",
        below("m", {"config.json": b"{}", "weights": b"!spoil me" * (1 << 20)}),
        part_size=part_size,
    )
    wire.spoil = (b"!spoil me", b"!spoil ME")
    sentence = machine.refusal("s3://spoiled/m", s3=at(wire))
    assert sentence.startswith("s3://spoiled/m/weights: what was downloaded does not have the crc32 that")
    assert not (machine.folder / "snapshots").exists()
    wire.spoil = (b"", b"")
    assert contents(machine.fetch("s3://spoiled/m", s3=at(wire)))["weights"].startswith(b"!spoil me")


def test_an_object_that_changes_under_the_download_is_not_mixed(
    s3: S3Server, wire: Wire, machine: MirrorMachine
) -> None:
    s3.fill("moving", below("m", {"config.json": b"{}", "weights": LARGE}))
    wire.cuts = 1
    wire.hold.clear()
    process = machine.start("s3://moving/m", s3=at(wire))
    wait_until("the download", lambda: wire.fetched("weights") or None, seconds=60)
    s3.fill("moving", {"m/weights": LARGE[::-1]})
    wire.hold.set()
    _, log = process.communicate(timeout=300)
    assert process.returncode == 1, log
    assert log.splitlines()[-1].startswith("s3://moving/m/weights: the store answered 412 PreconditionFailed")
    assert contents(machine.fetch("s3://moving/m", s3=at(s3)))["weights"] == LARGE[::-1]


def test_credentials_can_come_from_a_service(s3: S3Server, machine: MirrorMachine) -> None:
    machine.environment = {"TOKEN": "s3cret"}

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        right = request.command == "POST" and request.headers["Authorization"] == "Bearer s3cret"
        return (200 if right else 401), json.dumps(KEYS)

    with http_service(answer) as url:
        settings = {"url": url, "token_variable": "TOKEN"}
        snapshot = machine.fetch("s3://private/models/a", s3=at(s3), credentials=settings)
        machine.environment |= {"TOKEN": "other"}
        sentence = machine.refusal("s3://private/models/a", s3=at(s3), credentials=settings)
    assert contents(snapshot) == FILES
    assert sentence.startswith(f"{url}: the credentials service answered 401")


def test_extra_files_go_where_they_are_asked_to(s3: S3Server, wire: Wire, machine: MirrorMachine) -> None:
    machine.environment["PLACE"] = str(machine.home / "place")
    extra = [
        {"uri": "s3://public/m", "destination": "~/adapters"},
        {"uri": "s3://private/models/ab/", "destination": "$PLACE/x"},
    ]
    snapshot = machine.fetch("s3://private/models/a", s3=at(wire), extra_files=extra)
    assert contents(snapshot) == FILES
    assert contents(machine.home / "adapters") == {"config.json": b"{}", "hash": b" 0123abc\n"}
    assert contents(machine.home / "place") == {"x/config.json": b"another model"}
    wire.requests.clear()
    machine.fetch(None, s3=at(wire), extra_files=extra)
    assert wire.fetched() == []
    nowhere = [{"uri": "s3://public/m", "destination": "$NOWHERE/x"}]
    assert "names a variable that is not set" in machine.refusal(None, s3=at(s3), extra_files=nowhere)


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    with gcs_server(tmp_path_factory.mktemp("gcs")) as server:
        server.fill("bucket", {f"models/a/{path}": content for path, content in FILES.items()})
        server.fill("bucket", {"models/ab/config.json": b"another model", "one": LARGE[:5000], "two": b"end"})
        server.compose("bucket", "models/a/composed", ["one", "two"])
        yield server


@pytest.fixture
def google(gcs: GcsServer, machine: MirrorMachine) -> MirrorMachine:
    machine.environment = {"STORAGE_EMULATOR_HOST": gcs.endpoint}
    return machine


def test_a_google_bucket_is_downloaded_whole_and_nothing_beside_it(google: MirrorMachine) -> None:
    snapshot = google.fetch("gs://bucket/models/a")
    assert snapshot == google.folder / "snapshots" / ZEROS
    assert contents(snapshot) == FILES | {"composed": LARGE[:5000] + b"end"}


def test_a_google_mirror_is_downloaded_only_where_it_changed(gcs: GcsServer, google: MirrorMachine) -> None:
    gcs.fill("changing", {"m/config.json": b"{}", "m/weights": LARGE})
    google.fetch("gs://changing/m")
    gcs.fill("changing", {"m/config.json": b"[]", "m/hash": b"v2"})
    with wire_to(gcs.port) as wire:
        google.environment["STORAGE_EMULATOR_HOST"] = wire.endpoint
        snapshot = google.fetch("gs://changing/m")
        assert not wire.fetched("weights")
    assert snapshot.name == "v2"
    assert contents(snapshot) == {"config.json": b"[]", "hash": b"v2", "weights": LARGE}


def test_a_google_transfer_that_is_spoiled_is_found_out(gcs: GcsServer, google: MirrorMachine) -> None:
    gcs.fill("spoiled", {"m/config.json": b"{}", "m/weights": b"!spoil me"})
    with wire_to(gcs.port) as wire:
        wire.spoil = (b"!spoil me", b"!spoil ME")
        google.environment["STORAGE_EMULATOR_HOST"] = wire.endpoint
        sentence = google.refusal("gs://spoiled/m")
    assert sentence.startswith("gs://spoiled/m/weights: what was downloaded does not have the crc32c that")


def test_a_google_bucket_that_is_not_there_is_named(google: MirrorMachine) -> None:
    sentence = google.refusal("gs://nowhere/m")
    assert sentence.startswith("gs://nowhere/m/: the store answered 404: ")
    assert sentence.endswith("; check bucket_uri")
