"""Run with the engine's python: loads plain files with Ray's own classes, where rayllm_engine cannot be imported.

Reads a JSON object from standard input, with texts of Serve configurations (``serve``) and of LLMConfigs
(``llmconfig``); prints a JSON list with what Ray makes of each Serve configuration.
"""

import json
import sys
from typing import Any

import yaml
from ray.llm._internal.serve.core.ingress.builder import LLMServingArgs
from ray.serve.llm import LLMConfig

from tests.e2e.check_schemas import load


def load_plain(text: str) -> dict[str, Any]:
    """Load one Serve configuration, and its arguments as ``build_openai_app`` does."""
    (application,) = yaml.safe_load(text)["applications"]
    LLMServingArgs.model_validate(application["args"])
    return load(text)


if __name__ == "__main__":
    try:
        import rayllm_engine
    except ImportError:
        pass
    else:
        sys.exit(f"{rayllm_engine.__file__} can be imported: the check would prove nothing")
    texts = json.load(sys.stdin)
    for llm_config in texts["llmconfig"]:
        LLMConfig.model_validate(yaml.safe_load(llm_config))
    json.dump([load_plain(text) for text in texts["serve"]], sys.stdout)
