"""The names of all engine arguments that the installed vLLM takes.

``python -m rayllm_engine.arguments`` prints them, one a line. The operator keeps one such list for each
vLLM version that it supports and refuses names that are not on it; ray.serve.llm would refuse them too,
but only when the application is built.
"""

import dataclasses

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.cli_args import FrontendArgs


def engine_arguments() -> list[str]:
    """Return the names that ray.serve.llm accepts in ``engine_kwargs``, sorted.

    Source of the rule: ``VLLMEngineConfig.from_llm_config`` of Ray 2.60 takes the fields of these two
    dataclasses and raises on any other key.
    """
    fields = (*dataclasses.fields(AsyncEngineArgs), *dataclasses.fields(FrontendArgs))
    return sorted({field.name for field in fields})


if __name__ == "__main__":
    print("\n".join(engine_arguments()))  # noqa: T201 (its output is its purpose)
