"""Write the CRDs and the admission policy: ``python -m rayllm_operator.api.generate DIR``.

The files are committed; a test compares them with what this prints.
"""

import argparse
from pathlib import Path
from typing import Any

import yaml

from rayllm_operator.api.admission_policy import admission_policies
from rayllm_operator.api.crds import gpu_node_pools_crd, llm_models_crd
from rayllm_operator.api.meta import GPU_NODE_POOLS, GROUP, LLM_MODELS

_HEADER = """\
# Generated from the pydantic models of rayllm_operator.api by `make generate`
# (python -m rayllm_operator.api.generate crds). Edit the models, not this file.
"""
_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and text of several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 the base class fixes the signature
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def generated_files() -> dict[str, str]:
    """Return the text of every generated file by its name; the same models give the same bytes."""
    return {
        f"{GROUP}_{LLM_MODELS}.yaml": _document(llm_models_crd()),
        f"{GROUP}_{GPU_NODE_POOLS}.yaml": _document(gpu_node_pools_crd()),
        "admission-policy.yaml": _document(*admission_policies()),
    }


def _document(*manifests: dict[str, Any]) -> str:
    text = yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, width=_WIDTH, explicit_start=True)
    return _HEADER + text


def main() -> None:
    """Write every generated file into the directory named on the command line."""
    parser = argparse.ArgumentParser(
        description="Write the CRDs and the admission policy of rayllm-operator."
    )
    parser.add_argument("directory", type=Path, help="where to write, such as crds")
    directory = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in generated_files().items():
        (directory / name).write_text(text)


if __name__ == "__main__":
    main()
