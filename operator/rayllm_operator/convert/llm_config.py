"""An LLMConfig of ray.serve.llm becomes the spec of an LLMModel: the way back from ``rayllm render``.

What an LLMModel cannot say is reported and stays as a comment. Source of the defaults: Ray 2.60,
``ray.llm._internal.serve`` (a worker has one GPU and no CPU, the replica's own actor one CPU).
"""

import copy
from typing import Any

from rayllm_operator.api.deployment_config import AutoscalingConfig, RayActorOptions
from rayllm_operator.convert.comments import comments
from rayllm_operator.convert.manifest import Conversion
from rayllm_operator.convert.notes import Kind, Note
from rayllm_operator.convert.source import Source
from rayllm_operator.convert.tree import Path, Tree, key_text, parse
from rayllm_operator.plan.application import BATCHING
from rayllm_operator.plan.engine_arguments import DEFAULT_MAX_TOTAL_TOKENS, EMBEDDING_MAX_TOTAL_TOKENS
from rayllm_operator.plan.request_limits import limits
from rayllm_operator.plan.sync_arguments import NO_SIGN_REQUEST
from rayllm_operator.render.yaml_text import to_yaml

_OWN = "rayllm_engine"
_SECTIONS = ("deployment_config", "engine_config", "scaling_config")
_ANONYMOUS = "://anonymous@"
"""How Ray is told to ask for no signature."""
_LARGEST_AUTO = 100
"""Ray's max_replicas where num_replicas is ``auto``."""


def convert_llm_config(source: Source, deployments: tuple[Any, ...] = ()) -> Conversion:
    """Convert one LLMConfig.

    Parameters
    ----------
    source
        The file, or its piece, that holds one mapping.
    deployments
        The application's ``deployments``, of which the model's own overrides the LLMConfig.

    Raises
    ------
    TreeError
        The text is not YAML.
    """
    tree = parse(source)
    if tree.duplicates:
        again = tree.line_of(tree.duplicates[0].again)
        first = tree.line_of(tree.duplicates[0].first)
        message = f"the key is written twice, in lines {first} and {again}; remove one of them"
        note = Note(Kind.ERROR, source.label, again, key_text(tree.duplicates[0].path), message)
        return Conversion(source.label, {}, {(): again}, "", (note,))
    return _Reading(tree, deployments).conversion()


class _Reading:
    """One LLMConfig that is being read: what was taken from it is gone from ``rest``."""

    def __init__(self, tree: Tree, deployments: tuple[Any, ...]) -> None:
        self._tree = tree
        self._rest: dict[str, Any] = copy.deepcopy(tree.data)
        self._deployments = deployments
        self._notes: list[Note] = []
        self._spec: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
        self._lines: dict[Path, int] = {(): tree.line(())}

    def conversion(self) -> Conversion:
        if _OWN in str(self._rest.get("server_cls")):
            message = "was rendered by rayllm for its own engine: use the LLMModel that it was rendered from"
            self._note(Kind.ERROR, ("server_cls",), message)
        else:
            self._loading()
            self._engine()
            self._workers()
            self._deployment()
            self._report_rest()
        spec = {section: values for section, values in self._spec.items() if values}
        text = "".join(f"{line}\n" for line in [*comments(self._tree), *self._kept()]) + to_yaml(spec)
        failed = any(note.kind is Kind.ERROR for note in self._notes)
        label = self._tree.source.label
        return Conversion(label, spec, self._lines, "" if failed else text, tuple(self._notes))

    def _loading(self) -> None:
        for old, new in (("model_id", "model_id"), ("tokenizer_source", "tokenizer_id")):
            self._move(("model_loading_config", old), ("engine_config", new))
        # Ray 2.60 does not read tokenizer_source: where both are given, this is the tokenizer that was used.
        self._move(("engine_kwargs", "tokenizer"), ("engine_config", "tokenizer_id"))
        path: Path = ("model_loading_config", "model_source")
        model_source = self._take(*path)
        if isinstance(model_source, str) and "://" in model_source:
            model_source = {"bucket_uri": model_source}
        if isinstance(model_source, dict):
            uri = str(model_source.get("bucket_uri"))
            if not uri.startswith(("s3://", "gs://")):
                self._note(Kind.ERROR, path, f"must be in s3:// or gs://, seen {uri!r}")
            mirror = "gcs_mirror_config" if uri.startswith("gs://") else "s3_mirror_config"
            if _ANONYMOUS in uri:
                # s3_mirror_config takes gs:// too, and it alone has s3_sync_args.
                mirror = "s3_mirror_config"
                model_source = _without_anonymous(model_source) | {"s3_sync_args": [NO_SIGN_REQUEST]}
            self._put(("engine_config", mirror), model_source, path)
        elif model_source is not None and model_source != self._spec["engine_config"].get("model_id"):
            self._put(("engine_config", "hf_model_id"), model_source, path)

    def _engine(self) -> None:
        if (engine := self._take("llm_engine")) not in (None, "vLLM"):
            self._note(Kind.ERROR, ("llm_engine",), f"must be vLLM, seen {engine!r}")
        self._move(("engine_kwargs", "max_model_len"), ("engine_config", "max_total_tokens"))
        length = DEFAULT_MAX_TOTAL_TOKENS
        if self._mapping("engine_kwargs").get("runner") == "pooling":
            self._move(("engine_kwargs", "runner"), ("engine_config", "type"))
            self._spec["engine_config"]["type"] = "EmbeddingEngine"
            length = EMBEDDING_MAX_TOTAL_TOKENS
        if "max_total_tokens" not in self._spec["engine_config"]:
            message = (
                "max_model_len is left out: vLLM takes the most that the model can, here max_total_tokens "
                f"is {length}; write it"
            )
            self._note(Kind.DIFFERS, ("engine_kwargs",), message)
        self._move(("runtime_env",), ("engine_config", "runtime_env"))
        if self._rest.get("log_engine_metrics") is True:
            self._take("log_engine_metrics")

    def _workers(self) -> None:
        tensor = self._take("engine_kwargs", "tensor_parallel_size") or 1
        pipeline = self._mapping("engine_kwargs").get("pipeline_parallel_size") or 1
        at: Path = ("engine_kwargs", "tensor_parallel_size")
        if not isinstance(tensor, int) or not isinstance(pipeline, int):
            self._note(Kind.ERROR, at, f"must be a whole number, seen {tensor!r} times {pipeline!r}")
            return
        self._put(("scaling_config", "num_workers"), tensor * pipeline, at)
        bundle = self._bundle(tensor * pipeline)
        place: Path = ("placement_group_config",)
        self._put(("scaling_config", "num_gpus_per_worker"), bundle.pop("GPU", 0), place)
        self._put(("scaling_config", "num_cpus_per_worker"), bundle.pop("CPU", 0), place)
        if (accelerator := self._take("accelerator_type")) is not None:
            bundle[f"accelerator_type:{accelerator}"] = 0.001
        if bundle:
            self._put(("scaling_config", "resources_per_worker"), bundle, place)
        self._move((*place, "strategy"), ("scaling_config", "placement_strategy"))
        if self._mapping("engine_kwargs"):
            self._move(("engine_kwargs",), ("engine_config", "engine_kwargs"))

    def _bundle(self, workers: int) -> dict[str, Any]:
        """Return what one worker asks for."""
        path: Path = ("placement_group_config", "bundles")
        bundles = self._take(*path)
        if isinstance(bundles, list) and bundles:
            is_one = isinstance(bundles[0], dict) and all(bundle == bundles[0] for bundle in bundles)
            if len(bundles) != workers or not is_one:
                message = f"must be {workers} equal bundles, one for each worker; seen {bundles!r}"
                self._note(Kind.ERROR, path, message)
            return dict(bundles[0]) if isinstance(bundles[0], dict) else {}
        bundle = self._take("placement_group_config", "bundle_per_worker")
        if isinstance(bundle, dict):
            return dict(bundle)
        is_cpu = self._take("accelerator_config", "kind") == "cpu"
        return {"CPU": 1} if is_cpu else {"GPU": 1}

    def _deployment(self) -> None:
        section = {**self._mapping("deployment_config"), **self._override()}
        self._rest["deployment_config"] = section
        number = section.pop("num_replicas", None)
        config = section.get("autoscaling_config")
        if number == "auto":
            automatic = {"min_replicas": 1, "max_replicas": _LARGEST_AUTO, "target_ongoing_requests": 2}
            section["autoscaling_config"] = automatic | (config or {})
        elif number is not None:
            section["autoscaling_config"] = {"min_replicas": number, "max_replicas": number}
        self._known("autoscaling_config", set(AutoscalingConfig.model_fields))
        self._known("ray_actor_options", set(RayActorOptions.model_fields))
        self._take_our_limits(section)
        self._move(
            ("deployment_config", "max_ongoing_requests"), ("deployment_config", "max_ongoing_requests")
        )
        config = self._spec["deployment_config"].get("autoscaling_config")
        if config and _scales(config) and "target_ongoing_requests" not in config:
            message = "target_ongoing_requests is left out: Ray never adds replicas then, here it is 1"
            self._note(Kind.DIFFERS, ("deployment_config", "autoscaling_config"), message)

    def _take_our_limits(self, section: dict[str, Any]) -> None:
        """Drop what an LLMModel renders to anyway."""
        ongoing = section.get("max_ongoing_requests")
        ours = limits(ongoing) if isinstance(ongoing, int) else {}
        for key in ("max_queued_requests", "backpressure_config"):
            if key in ours and section.get(key) == ours[key]:
                del section[key]
        experimental = self._mapping("experimental_configs")
        if experimental.get(BATCHING) == 0:
            del experimental[BATCHING]

    def _known(self, name: str, names: set[str]) -> None:
        """Move the keys of a section of deployment_config that an LLMModel has too."""
        path: Path = ("deployment_config", name)
        values = self._mapping(*path)
        known = {key: values.pop(key) for key in list(values) if key in names}
        if known:
            self._put(path, known, path)

    def _override(self) -> dict[str, Any]:
        model_id = str(self._spec["engine_config"].get("model_id"))
        own = model_id.replace("/", "--").replace(".", "_")
        for deployment in self._deployments:
            if isinstance(deployment, dict) and str(deployment.get("name")).partition(":")[2] == own:
                return {key: value for key, value in copy.deepcopy(deployment).items() if key != "name"}
        return {}

    # -- moving values ----------------------------------------------------------------------------------

    def _mapping(self, *path: str | int) -> dict[str, Any]:
        """Return a mapping of what is left; an empty one where there is none."""
        value: Any = self._rest
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def _take(self, *path: str | int) -> Any:
        return self._mapping(*path[:-1]).pop(str(path[-1]), None)

    def _move(self, old: Path, new: Path) -> None:
        value = self._take(*old)
        if value is not None:
            self._put(new, value, old)

    def _put(self, path: Path, value: Any, origin: Path) -> None:
        section, key = str(path[0]), str(path[1])
        self._spec[section][key] = value
        line = self._tree.line(origin)
        self._lines.setdefault((section,), line)
        self._lines[path] = line
        for below, entry in self._tree.entries.items():
            if below[: len(origin)] == origin and len(below) > len(origin):
                self._lines[(*path, *below[len(origin) :])] = self._tree.line_of(entry)

    def _note(self, kind: Kind, path: Path, message: str) -> None:
        line = self._tree.line(path)
        self._notes.append(Note(kind, self._tree.source.label, line, key_text(path), message))

    # -- what is left -----------------------------------------------------------------------------------

    def _report_rest(self) -> None:
        for path in _leaves(self._rest, ()):
            self._note(Kind.COMMENTED, path, "has no equal in an LLMModel")

    def _kept(self) -> list[str]:
        rest = _without_empty(self._rest)
        if not rest:
            return []
        return ["# Not converted (it has no equal):", *(f"# {line}" for line in to_yaml(rest).splitlines())]


def _without_anonymous(value: Any) -> Any:
    """Return a model_source whose addresses, those of its extra files included, are plain ones."""
    if isinstance(value, dict):
        return {key: _without_anonymous(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_anonymous(inner) for inner in value]
    return value.replace(_ANONYMOUS, "://", 1) if isinstance(value, str) else value


def _scales(config: dict[str, Any]) -> bool:
    lowest, highest = config.get("min_replicas", 1), config.get("max_replicas", 1)
    return bool(lowest != highest)


def _leaves(value: Any, path: Path) -> list[Path]:
    """Return the first paths below which nothing is a mapping of sections any more."""
    if not isinstance(value, dict):
        return [path]
    deep = len(path) >= 2  # noqa: PLR2004 (sections of sections are named as a whole)
    return [path] if deep and value else [leaf for key in value for leaf in _leaves(value[key], (*path, key))]


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {key: _without_empty(inner) for key, inner in value.items()}
    return {key: inner for key, inner in kept.items() if inner not in (None, {})}
