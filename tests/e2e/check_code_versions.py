"""Run with the engine's python: prints what Ray Serve compares to tell a new code from new options.

Reads a JSON list of serveConfigV2 texts from standard input; prints a JSON list of code versions.
"""

import json
import sys

import yaml
from ray.serve._private.deploy_utils import get_app_code_version
from ray.serve.schema import ServeDeploySchema


def version(text: str) -> str:
    """Return the code version of the only application."""
    (application,) = ServeDeploySchema.model_validate(yaml.safe_load(text)).applications
    return str(get_app_code_version(application))


if __name__ == "__main__":
    json.dump([version(text) for text in json.load(sys.stdin)], sys.stdout)
