"""Finds the models in a document, whatever of RayLLM's, Ray Serve's or KubeRay's files it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from rayllm_operator.api import meta
from rayllm_operator.convert.notes import Kind, Note
from rayllm_operator.convert.source import Source, TreeError, split
from rayllm_operator.convert.tree import Path, Tree, key_text, parse
from rayllm_operator.render.yaml_text import to_yaml

_MODEL_ARGUMENTS = ("models", "embedding_models", "trtllm_models", "model", "args")
"""Arguments of RayLLM's applications that hold models; ``model`` is 0.1's, ``args`` 0.3.0's."""
_LONGEST = 80
"""Characters of what was seen that a sentence repeats."""
_LLM_ARGUMENTS = "llm_configs"
_INGRESS_ARGUMENTS = ("ingress_cls_config", "ingress_deployment_config")
_EXPECTED = (
    "a RayLLM registry file (engine_config), a Serve configuration (applications), a RayService, or an "
    "LLMConfig (model_loading_config)"
)


@dataclass(frozen=True)
class RegistryPiece:
    """A registry file, or what stands in for one inside of another file."""

    source: Source
    is_whole: bool
    """Whether it is the whole of the document that was read."""


@dataclass(frozen=True)
class LLMConfigPiece:
    """An LLMConfig of ray.serve.llm."""

    source: Source
    deployments: tuple[Any, ...] = ()
    """The application's ``deployments``, which override what the LLMConfig says about its own."""


@dataclass(frozen=True)
class FileReference:
    """A path, of a file or a directory, in a Serve configuration."""

    path: str
    holds_llm_config: bool
    label: str
    line: int
    key: str

    def note(self, kind: Kind, message: str) -> Note:
        """Say something about it."""
        return Note(kind, self.label, self.line, self.key, message)


Found = RegistryPiece | LLMConfigPiece | FileReference | Note


def find_models(source: Source) -> Iterator[Found]:
    """Find the models of one document, and what is to be said about the rest of it.

    Raises
    ------
    TreeError
        The document is not YAML.
    """
    tree = parse(source)
    yield from _find(tree, (), tree.data)


def _find(tree: Tree, path: Path, data: Any) -> Iterator[Found]:
    if not isinstance(data, dict):
        yield _note(tree, path, Kind.ERROR, f"must be {_EXPECTED}; seen {_shortened(data)}")
    elif data.get("kind") == "List" and isinstance(data.get("items"), list):
        for index, item in enumerate(data["items"]):
            yield from _find(tree, (*path, "items", index), item)
    elif "kind" in data and "apiVersion" in data:
        yield from _find_in_manifest(tree, path, data)
    elif "engine_config" in data or "model_config" in data:
        yield RegistryPiece(_piece(tree, path), is_whole=not path)
    elif "model_loading_config" in data:
        yield LLMConfigPiece(_piece(tree, path))
    elif isinstance(data.get("applications"), list):
        for index, application in enumerate(data["applications"]):
            yield from _find_in_application(tree, (*path, "applications", index), application)
    elif "args" in data or _LLM_ARGUMENTS in data:
        yield from _find_in_application(tree, path, data if "args" in data else {"args": data})
    else:
        yield _note(tree, path, Kind.ERROR, f"must be {_EXPECTED}; seen the keys {_shortened(list(data))}")


def _find_in_manifest(tree: Tree, path: Path, data: dict[str, Any]) -> Iterator[Found]:
    kind, spec = data["kind"], data.get("spec")
    if kind == meta.LLM_MODEL:
        yield _note(tree, path, Kind.WARNING, "is an LLMModel already, and is left alone")
        return
    if kind != "RayService" or not isinstance(spec, dict):
        yield _note(tree, path, Kind.ERROR, f"must be {_EXPECTED}; seen a {kind}")
        return
    key = next((key for key in ("serveConfigV2", "serveConfig") if spec.get(key)), None)
    if key is None:
        yield _note(tree, (*path, "spec"), Kind.ERROR, "holds neither serveConfigV2 nor serveConfig")
        return
    here: Path = (*path, "spec", key)
    if isinstance(spec[key], str):
        yield from _find_in_text(tree, here, spec[key])
    else:
        yield from _find(tree, here, spec[key])
    if "rayClusterConfig" in spec:
        message = "the operator makes the cluster; declare its nodes as GPUNodePools (examples/pools)"
        yield _note(tree, (*path, "spec", "rayClusterConfig"), Kind.ACTION, message)


def _find_in_text(tree: Tree, path: Path, text: str) -> Iterator[Found]:
    try:
        for source in _text_sources(tree, path, text):
            for found in find_models(source):
                # The file around it has a name of its own.
                yield replace(found, is_whole=False) if isinstance(found, RegistryPiece) else found
    except TreeError as error:
        yield Note(Kind.ERROR, tree.source.label, error.line, key_text(path), str(error))


def _find_in_application(tree: Tree, path: Path, application: Any) -> Iterator[Found]:
    application = _mapping(application)
    arguments = _mapping(application.get("args"))
    at_args: Path = (*path, "args") if (*path, "args") in tree.entries else path
    known = [key for key in (*_MODEL_ARGUMENTS, _LLM_ARGUMENTS) if arguments.get(key)]
    if not known:
        seen = _shortened(application.get("args"))
        message = f"must hold models (RayLLM) or llm_configs (ray.serve.llm); seen {seen}"
        yield _note(tree, at_args, Kind.ERROR, message)
        return
    count = 0
    for key in known:
        entries = arguments[key]
        for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            here = (*at_args, key, index) if isinstance(entries, list) else (*at_args, key)
            count += 1
            yield from _find_entry(tree, here, entry, application)
    yield from _notes_on_application(tree, path, at_args, application, count)


def _notes_on_application(
    tree: Tree, path: Path, at_args: Path, application: dict[str, Any], count: int
) -> Iterator[Note]:
    for key in application["args"]:
        if key not in (*_MODEL_ARGUMENTS, _LLM_ARGUMENTS, *_INGRESS_ARGUMENTS):
            yield _note(tree, (*at_args, key), Kind.COMMENTED, "has no equal")
    if application.get("runtime_env"):
        message = "has no equal for all models; write engine_config.runtime_env where a model needs it"
        yield _note(tree, (*path, "runtime_env"), Kind.COMMENTED, message)
    if count > 1:
        message = f"its {count} models answered at one address; each LLMModel has its own, in status.endpoint"
        yield _note(tree, path, Kind.DIFFERS, message)


def _find_entry(tree: Tree, path: Path, entry: Any, application: dict[str, Any]) -> Iterator[Found]:
    holds_llm_config = _LLM_ARGUMENTS in path
    if isinstance(entry, str):
        if _is_mapping(entry):
            yield from _find_in_text(tree, path, entry)
        else:
            place = (tree.source.label, tree.line(path), key_text(path))
            yield FileReference(entry, holds_llm_config, *place)
    elif isinstance(entry, dict) and holds_llm_config:
        deployments = application.get("deployments")
        yield LLMConfigPiece(_piece(tree, path), tuple(deployments if isinstance(deployments, list) else ()))
    elif isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values()):
        # RayLLM 0.2's router: model ids, and the files of the applications beside it.
        for model_id, file in entry.items():
            place = (tree.source.label, tree.line((*path, model_id)), key_text((*path, model_id)))
            yield FileReference(file, holds_llm_config, *place)
    else:
        yield from _find(tree, path, entry)


def _is_mapping(text: str) -> bool:
    """Tell whether a text is a model written as YAML rather than a path."""
    try:
        return isinstance(yaml.safe_load(text), dict)
    except yaml.YAMLError:
        return "\n" in text.strip()


def _piece(tree: Tree, path: Path) -> Source:
    """Return a part of a document as a source of its own, as it is written."""
    if not path:
        return tree.source
    node = tree.entries[path].value
    start = node.start_mark
    lines = (" " * start.column + tree.source.text[start.index : node.end_mark.index]).rstrip().splitlines()
    cut = (line[min(start.column, len(line) - len(line.lstrip(" "))) :] for line in lines)
    text = "".join(f"{line}\n" for line in cut)
    try:
        parse(Source("", text))
    except TreeError:
        # It uses an anchor that stands elsewhere.
        return Source(tree.source.label, to_yaml(_at(tree.data, path)), tree.line(path), spread=False)
    return Source(tree.source.label, text, tree.source.line(start.line), tree.source.spread)


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _text_sources(tree: Tree, path: Path, text: str) -> list[Source]:
    """Return the documents of a YAML text that is a value of another YAML text."""
    node = tree.entries[path].value
    line = tree.source.line(node.start_mark.line)
    if isinstance(node, yaml.ScalarNode) and node.style == "|" and tree.source.spread:
        return split(tree.source.label, text, first_line=line + 1)
    return split(tree.source.label, text, first_line=line, spread=False)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _note(tree: Tree, path: Path, kind: Kind, message: str) -> Note:
    return Note(kind, tree.source.label, tree.line(path), key_text(path), message)
