"""What the tests of conversions share: a registry file to change, and short ways to convert."""

from typing import Any

from rayllm_operator.convert.llm_config import convert_llm_config
from rayllm_operator.convert.manifest import Conversion, manifest_text
from rayllm_operator.convert.notes import Kind
from rayllm_operator.convert.registry_file import convert_registry_file
from rayllm_operator.convert.source import Source
from rayllm_operator.render.yaml_dialect import load_all

REGISTRY_FILE = """\
# The smallest file that RayLLM took.
deployment_config:
  autoscaling_config: {min_replicas: 1, max_replicas: 2}   # two nodes
  max_concurrent_queries: 64
  ray_actor_options:
    resources:
      accelerator_type_a10: 0.01
engine_config:
  model_id: 'org/model'
  generation:
    prompt_format:
      system: "{instruction}\\n"
      user: "user: {instruction}\\n"
      assistant: "assistant: {instruction}\\n"
      trailing_assistant: "assistant:"

# Resources of each replica
scaling_config:
  num_workers: 1
"""


def convert(text: str, *, last_key_wins: bool = False) -> Conversion:
    """Convert a registry file called model.yaml."""
    return convert_registry_file(Source("model.yaml", text), last_key_wins=last_key_wins)


def convert_back(text: str) -> Conversion:
    """Convert an LLMConfig called llm.yaml."""
    return convert_llm_config(Source("llm.yaml", text))


def spec_of(conversion: Conversion) -> Any:
    """Return the spec that kubectl reads from the manifest."""
    assert conversion.spec_text, said(conversion)
    (document,) = load_all(manifest_text("model", conversion.spec_text))
    assert not document.duplicates
    return document.data["spec"]


def said(conversion: Conversion, *kinds: Kind) -> list[str]:
    """Return the notes of some kinds, or of all, as they are printed."""
    return [str(note) for note in conversion.notes if not kinds or note.kind in kinds]
