"""Starts replicas that cannot start, in the engine's environment, and prints the failure line of each.

usage: python -m tests.e2e.check_failures DIRECTORY CASE...

DIRECTORY holds the tiny model as `tiny`. Each line of the output is a case's name, a tab and what it raised last.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import ray
from ray.serve.llm import LLMConfig

from rayllm_engine.server import RayLLMServer

Prepared = tuple[str, Mapping[str, Any]]
"""The model's source and its engine arguments."""

MIRRORS = {
    "no bucket": "s3://none/model",
    "wrong key": "s3://bucket/model",
    "empty folder": "s3://bucket/none",
    "spoiled object": "s3://bucket/model",
}
"""Cases that ask the store at S3_ENDPOINT, each with the address of its mirror."""

LONG = 4_000_000
"""Tokens: 3.8 GiB of the tiny model's KV cache, where VLLM_CPU_KVCACHE_SPACE is 1."""


def cases(directory: Path) -> dict[str, Callable[[], Prepared]]:
    """Return how to prepare each case, by name."""

    def model(name: str, *missing: str, **config: Any) -> str:
        copy = directory / name
        shutil.copytree(directory / "tiny", copy, dirs_exist_ok=True)
        path = copy / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
        for each in missing:
            (copy / each).unlink()
        return str(copy)

    def damaged() -> str:
        path = model("damaged")
        (Path(path) / "model.safetensors").write_bytes(b"\xff" * 100)
        return path

    code = {"AutoConfig": "configuration_own.OwnConfig"}
    return {
        "offline": lambda: ("org/none", {}),
        "gated": lambda: ("org/gated", {}),
        "missing": lambda: ("org/missing", {}),
        "unauthorized": lambda: ("org/unauthorized", {}),
        "no directory": lambda: (f"{directory}/none", {}),
        "too long": lambda: (model("plain"), {"max_model_len": 100_000}),
        "architecture": lambda: (model("architecture", architectures=["OwnForCausalLM"]), {}),
        "model type": lambda: (model("type", model_type="own"), {}),
        "own code": lambda: (model("code", model_type="own", auto_map=code), {}),
        "quantization": lambda: (model("plain"), {"quantization": "own"}),
        "dtype": lambda: (model("plain"), {"dtype": "own"}),
        "tensor parallel": lambda: (model("plain"), {"tensor_parallel_size": 3}),
        "no weights": lambda: (model("weightless", "model.safetensors"), {}),
        "damaged weights": lambda: (damaged(), {}),
        "memory": lambda: (model("long", max_position_embeddings=LONG), {"max_model_len": LONG}),
        "compiler": lambda: (model("plain"), {"enforce_eager": False}),
        "template path": lambda: (model("plain"), {"chat_template": "none.jinja"}),
        "template": lambda: (model("plain"), {"chat_template": "{% if %}{{ x }}"}),
        **dict.fromkeys(MIRRORS, lambda: ("org/mirrored", {})),
    }


def contract(name: str) -> dict[str, Any]:
    """Return the part of a case's LLMConfig that only our engine image reads."""
    if name not in MIRRORS:
        return {"version": 1}
    store = {"endpoint_url": os.environ["S3_ENDPOINT"], "region": "us-east-1"}
    return {"version": 1, "mirror": {"model": "org/mirrored", "uri": MIRRORS[name], "s3": store}}


SURROUNDINGS = {
    "compiler": {"CXX": "/nonexistent/g++"},
    "wrong key": {"AWS_SECRET_ACCESS_KEY": "wrong"},
}
"""Environment variables of some cases."""


async def last_line(source: str, engine_kwargs: Mapping[str, Any], rayllm: Mapping[str, Any]) -> str:
    """Return the last line of what starting the replica raises."""
    config = LLMConfig(
        model_loading_config={"model_id": "local/model", "model_source": source},
        engine_kwargs={"enforce_eager": True, "max_model_len": 256, **engine_kwargs},
        placement_group_config={"bundle_per_worker": {"CPU": 1}},
        accelerator_config={"kind": "cpu"},
        experimental_configs={"rayllm": rayllm},
    )
    # Outside Serve the server makes its own placement group, and Ray does not wait until it has its nodes.
    await config.get_or_create_callback().ctx.placement_group.ready()
    server = RayLLMServer.sync_init(config)
    try:
        await server.start()
    except Exception as error:  # noqa: BLE001 (any may come, and its text is what is looked at)
        return str(error).splitlines()[-1]
    return "it started"


async def main(directory: Path, *names: str) -> None:
    """Start each case and print what it raised."""
    for name in names:
        with mock.patch.dict(os.environ, SURROUNDINGS.get(name, {})):
            line = await last_line(*cases(directory)[name](), contract(name))
        with (directory / "failures").open("a") as file:
            file.write(f"{name}\t{line}\n")


if __name__ == "__main__":
    # More CPUs than the machine has: every failed replica leaves its placement group behind.
    ray.init(num_cpus=64, include_dashboard=False, log_to_driver=False)
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
