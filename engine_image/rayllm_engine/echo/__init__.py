"""An engine that repeats what it was asked, for tests and benchmarks of all that is around an engine.

It stands where vLLM stands, behind the same server class and on both data paths, and needs no weights and no
accelerator. A model uses it when its environment says so, which a registry file can do by itself:

    engine_config:
      runtime_env:
        env_vars:
          RAYLLM_VLLM_ENGINE_CLS: rayllm_engine.echo.engine:EchoEngine
          RAYLLM_ECHO: '{"start_failure": "CUDA out of memory"}'   # optional: how it shall fail

`RAYLLM_VLLM_ENGINE_CLS` is Ray's own hook (ray.serve.llm 2.60, `LLMServer._get_default_engine_class`).
"""

import os

ENGINE_CLASS = "rayllm_engine.echo.engine:EchoEngine"
"""Value of Ray's `RAYLLM_VLLM_ENGINE_CLS` that puts this engine in vLLM's place."""


def is_used() -> bool:
    """Return whether this process serves echoes, for which no model is downloaded."""
    return os.environ.get("RAYLLM_VLLM_ENGINE_CLS") == ENGINE_CLASS
