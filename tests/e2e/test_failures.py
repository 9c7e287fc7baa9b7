"""Why replicas do not start: each cause is provoked from the real vLLM, transformers and torch, on CPU."""

import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayllm_engine.causes import REASONS
from rayllm_operator.cli.local_ray import environment_without_ray
from tests.harness.buckets import KEYS, s3_server, wire_to
from tests.harness.local_stack import CHECKOUT, engine_python, make_model

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

RECORDED = CHECKOUT / "tests" / "data" / "engine_failures.yaml"

ONLINE = ("gated", "missing", "unauthorized")
"""Cases that ask a Hub; all others are offline."""

MIRRORED = ("no bucket", "wrong key", "empty folder", "spoiled object")
"""Cases that ask an S3 server for a mirror."""

EXPECTED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "offline": ("HubUnreachable", "the replica is offline (HF_HUB_OFFLINE)", {"model": "org/none"}),
    "gated": ("HubGated", "/org/gated: the Hub answered 403: ", {"model": "org/gated"}),
    "missing": ("HubNotFound", "/org/missing: the Hub answered 401: ", {"model": "org/missing"}),
    "unauthorized": ("HubUnauthorized", "/org/unauthorized: the Hub answered 401: ", {"model": "org/unauthorized"}),
    "no directory": ("ModelFilesMissing", "There is no directory", {}),
    "too long": ("ContextTooLong", "is 100000, and the model was made for 4096", {"max_model_len": 100_000, "longest": 4096}),
    "architecture": ("UnsupportedModel", "architecture 'OwnForCausalLM'", {"architecture": "'OwnForCausalLM'"}),
    "model type": ("UnsupportedModel", "type own", {"architecture": "own"}),
    "own code": ("TrustRemoteCodeNeeded", "needs code of its own", {}),
    "quantization": ("InvalidEngineArguments", "Unknown quantization method: own", {}),
    "dtype": ("InvalidEngineArguments", "vLLM refuses engine_kwargs.dtype: Input should be", {"argument": "dtype"}),
    "tensor parallel": ("InvalidEngineArguments", "(2) must be divisible by tensor parallel size (3)", {}),
    "no weights": ("ModelFilesMissing", "holds no weights", {}),
    "damaged weights": ("ModelFilesDamaged", "A file of weights cannot be read", {}),
    "memory": ("NotEnoughMemory", "needs 3.81 GiB of KV cache; 1.0 GiB are left", {"needed_gib": 3.81, "available_gib": 1.0, "longest": 1_048_448}),
    "compiler": ("CompilerMissing", "The image has no C++ compiler", {}),
    "template path": ("InvalidChatTemplate", "The chat template none.jinja is a path", {"path": "none.jinja"}),
    "template": ("InvalidChatTemplate", "Expected an expression", {}),
    "no bucket": ("MirrorFailed", "s3://none/model/: the store answered 404 NoSuchBucket: ", {}),
    "wrong key": ("MirrorFailed", "the store answered 403 SignatureDoesNotMatch: ", {}),
    "empty folder": ("MirrorFailed", "s3://bucket/none", {}),
    "spoiled object": ("MirrorFailed", "s3://bucket/model/weights: what was downloaded does not have the crc32 that", {"object": "s3://bucket/model/weights"}),
}  # fmt: skip


class Hub(http.server.BaseHTTPRequestHandler):
    """The Hugging Face Hub's refusals: status and header as the real one sends them."""

    REFUSALS = {"gated": (403, "GatedRepo"), "missing": (401, "RepoNotFound"), "unauthorized": (401, "")}  # noqa: RUF012

    def do_HEAD(self) -> None:
        """Refuse by the model's name."""
        asked = (each for each in self.path.split("/") if each in self.REFUSALS)
        status, code = self.REFUSALS.get(next(asked, ""), (404, ""))
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815 (the library's names)

    def log_message(self, *_: Any) -> None:
        """Write no log."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """Run a Hub that refuses everything."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an S3 server with one model, behind a wire that spoils it; return the wire's address."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server, wire_to(server.port) as wire:
        server.fill("bucket", {"model/config.json": b"{}", "model/weights": b"!spoil me" * (1 << 20)})
        wire.spoil = (b"!spoil me", b"!spoil ME")
        yield wire.endpoint


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the models."""
    return tmp_path_factory.mktemp("failures")


@pytest.fixture(scope="module")
def failures(directory: Path, hub: str, store: str) -> dict[str, str]:
    """Return the last line that each case raised."""
    make_model(directory / "tiny", engine_python())
    offline = [name for name in EXPECTED if name not in (*ONLINE, *MIRRORED)]
    start(directory, offline, HF_HUB_OFFLINE="1")
    home = {"HF_HOME": str(directory / "hub"), "AWS_EC2_METADATA_DISABLED": "true"}
    start(directory, MIRRORED, S3_ENDPOINT=store, HF_HUB_OFFLINE="1", **home, **KEYS)
    start(directory, ONLINE, HF_ENDPOINT=hub, HF_HOME=str(directory / "hub"), HF_HUB_OFFLINE="0")
    lines = (directory / "failures").read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines)


def start(directory: Path, names: Any, **environment: str) -> None:
    """Start the cases one after the other, in one process of the engine's environment.

    Its output goes to files, as Ray has it for a replica: there the engine's own cause is read.
    """
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CACHE_ROOT": str(directory / "cache")}
    environment |= {
        "TORCHINDUCTOR_CACHE_DIR": str(directory / "cache"),
        "PYTHONPATH": f"{CHECKOUT}/engine_image",
    }
    command = [str(engine_python()), "-m", "tests.e2e.check_failures", str(directory), *names]
    with (directory / "out").open("wb") as out, (directory / "err").open("wb") as err:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env={**environment_without_ray(), **environment},
            stdout=out,
            stderr=err,
            check=False,
        )
    assert done.returncode == 0, (directory / "err").read_text()[-3000:]


@pytest.mark.parametrize("name", EXPECTED)
def test_what_the_unit_tests_read_is_what_the_engine_says(
    failures: dict[str, str], directory: Path, hub: str, name: str
) -> None:
    """The operator's side of each failure is tested with these lines; RAYLLM_RECORD=1 writes them anew."""
    said = failures[name].replace(str(directory), "/models").replace(hub, "https://huggingface.co")
    if "RAYLLM_RECORD" in os.environ:
        known = yaml.safe_load(RECORDED.read_text()) if RECORDED.exists() else {}
        RECORDED.write_text(yaml.safe_dump({**known, name: said}, width=110))
    recorded = yaml.safe_load(RECORDED.read_text())[name]
    assert without_numbers(said) == without_numbers(recorded)


def without_numbers(line: str) -> str:
    """Return a line without the numbers that differ between machines."""
    return re.sub(r"[0-9.]+", "#", line)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_failed_start_says_its_cause_in_one_line(failures: dict[str, str], name: str) -> None:
    reason, words, facts = EXPECTED[name]
    assert failures[name].startswith("{"), failures[name]
    line = json.loads(failures[name])
    assert (line["rayllm_failure"], line["reason"]) == (1, reason), failures[name]
    assert words in line["message"]
    assert line["remedy"]
    assert facts.items() <= line.items()
    assert len(failures[name]) < 2000


def test_the_reasons_are_on_the_closed_list() -> None:
    assert {reason for reason, _, _ in EXPECTED.values()} <= set(REASONS)
