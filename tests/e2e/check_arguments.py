"""Run with the engine's python: asks vLLM which values of engine arguments it takes.

Reads a JSON list of [name, value] from standard input, and a model's directory from the command line; prints
those that vLLM takes when it makes its configuration, each with the model and nothing else.
"""

import dataclasses
import json
import sys
from typing import Any

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import FrontendArgs

FRONTEND = {field.name for field in dataclasses.fields(FrontendArgs)}


def takes(name: str, value: Any, model: str) -> bool:
    """Tell whether vLLM makes a configuration of the argument, ray.serve.llm's way."""
    try:
        if name in FRONTEND:
            FrontendArgs(**{name: value})
        else:
            AsyncEngineArgs(**{"model": model, "max_model_len": 64, name: value}).create_engine_config()
    except Exception:  # noqa: BLE001 (whatever it says, it does not take it)
        return False
    return True


if __name__ == "__main__":
    directory = sys.argv[1]
    AsyncEngineArgs(model=directory, max_model_len=64).create_engine_config()
    pairs = json.load(sys.stdin)
    json.dump([[name, value] for name, value in pairs if takes(name, value, directory)], sys.stdout)
