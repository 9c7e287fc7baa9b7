"""From documents to the objects in them: models, pools and the operator's configuration.

A document is a manifest, a ``List`` of manifests, or a bare registry file, which stands for an LLMModel
named after the file.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayllm_operator.api import meta
from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.findings import Finding
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.names import model_name, model_name_of_file
from rayllm_operator.api.validation import parse_configuration, parse_model, parse_pool, validate_model_name
from rayllm_operator.cli.documents import STANDARD_INPUT_LABEL, Document
from rayllm_operator.cli.reports import Report
from rayllm_operator.render.yaml_dialect import Path

_KINDS = (meta.LLM_MODEL, meta.GPU_NODE_POOL, meta.OPERATOR_CONFIGURATION)
_MANIFEST_KEYS = ("apiVersion", "kind", "metadata", "spec", "status")
_OTHER_FILES: dict[Path, str] = {
    ("applications",): "a Serve configuration",
    ("model_loading_config",): "an LLMConfig of ray.serve.llm",
    ("model_config",): "a registry file of RayLLM 0.0 or 0.1",
    ("engine_config", "model_init_kwargs"): "a registry file of RayLLM 0.2",
    ("engine_config", "scheduler"): "a registry file of RayLLM 0.2",
}
"""Keys by which files are known that are none of these objects, but can become some."""


@dataclass(frozen=True)
class Place:
    """Where an object, or a part of it, stands."""

    document: Document
    path: Path = ()
    """From the top of the document."""

    @property
    def data(self) -> Any:
        """What stands there; None where nothing does."""
        data = self.document.data
        for part in self.path:
            data = data[part] if isinstance(part, int) else data.get(part)
        return data

    @property
    def line(self) -> int:
        """The line of it, from 1."""
        return self.document.line_of(self.path)

    def inside(self, *path: str | int) -> "Place":
        """Return a place further in."""
        return Place(self.document, (*self.path, *path))

    def report(self, finding: Finding) -> Report:
        """Turn a finding about this place into a report with file and line."""
        line = self.document.line_of((*self.path, *finding.path))
        return Report(self.document.source, line, finding.key, finding.message, finding.severity)


@dataclass(frozen=True)
class Model:
    """An LLMModel of a file."""

    name: str
    namespace: str | None
    """As written; None where the file names none."""
    spec: LLMModelSpec
    restarted_at: str
    place: Place
    """Where the object stands."""
    spec_place: Place
    """Where its spec stands: the same as ``place`` for a bare registry file."""


@dataclass(frozen=True)
class NamedPool:
    """A GPUNodePool of a file."""

    name: str
    spec: GPUNodePoolSpec
    place: Place


@dataclass
class Objects:
    """All objects of some files."""

    models: list[Model] = field(default_factory=list)
    pools: list[NamedPool] = field(default_factory=list)
    configurations: list[OperatorConfiguration] = field(default_factory=list)
    count: int = 0
    """Objects that this project's kinds describe, those with errors included."""
    others: int = 0
    """Objects of other kinds, which are left to whoever owns them."""
    reports: list[Report] = field(default_factory=list)


def read_objects(documents: Iterable[Document]) -> Objects:
    """Recognise and check every object by itself; what has errors is only in the reports."""
    objects = Objects()
    documents = list(documents)
    bare = Counter(document.source for document in documents if _is_bare(document.data))
    for document in documents:
        _read(objects, Place(document), is_alone=bare[document.source] == 1)
    _report_duplicates(objects)
    return objects


def read_configuration(place: Place) -> tuple[OperatorConfiguration | None, list[Report]]:
    """Read the file of ``--config``, an OperatorConfiguration with or without ``apiVersion`` and ``kind``."""
    data = place.data
    if not isinstance(data, dict):
        return None, [place.report(Finding((), f"must be a mapping, seen {data!r}"))]
    if "kind" in data and data["kind"] != meta.OPERATOR_CONFIGURATION:
        message = f"must be {meta.OPERATOR_CONFIGURATION}, seen {data['kind']!r}"
        return None, [place.report(Finding(("kind",), message))]
    configuration, findings = parse_configuration(
        {key: value for key, value in data.items() if key not in ("apiVersion", "kind", "metadata")}
    )
    return configuration, [place.report(finding) for finding in findings]


def _is_bare(data: Any) -> bool:
    """Tell whether a document is a registry file, which is no manifest."""
    return isinstance(data, dict) and "kind" not in data and "apiVersion" not in data


def _read(objects: Objects, place: Place, *, is_alone: bool) -> None:
    data = place.data
    if not isinstance(data, dict):
        objects.count += 1
        message = f"is neither a manifest nor a registry file: must be a mapping, seen {data!r}"
        objects.reports.append(place.report(Finding((), message)))
    elif data.get("kind") == "List" and isinstance(data.get("items"), list):
        for index in range(len(data["items"])):
            _read(objects, place.inside("items", index), is_alone=False)
    elif _is_bare(data):
        objects.count += 1
        _read_registry_file(objects, place, is_alone=is_alone)
    elif _is_ours(data):
        objects.count += 1
        _read_manifest(objects, place)
    else:
        objects.others += 1


def _is_ours(data: dict[str, Any]) -> bool:
    group = str(data.get("apiVersion", "")).partition("/")[0]
    return (
        group == meta.GROUP or ("apiVersion" not in data or data["apiVersion"] is None) or "kind" not in data
    )


def _read_registry_file(objects: Objects, place: Place, *, is_alone: bool) -> None:
    """Read a registry file, which is named after its file, or by its id where it has none of its own."""
    spec, findings = parse_model(place.data)
    name = ""
    try:
        if is_alone and place.document.source != STANDARD_INPUT_LABEL:
            name = model_name_of_file(place.document.source)
        elif spec is not None:
            name = model_name(spec.engine_config.model_id)
    except ValueError as error:
        findings = [*findings, Finding((), str(error))]
    objects.reports += [place.report(finding) for finding in _of_another_file(place) or findings]
    if spec is not None and name:
        objects.models.append(Model(name, None, spec, "", place, place))


def _of_another_file(place: Place) -> list[Finding]:
    """Say in one sentence that a file is for ``rayllm convert``, in place of all that is wrong with it."""
    for path, what in _OTHER_FILES.items():
        *above, key = path
        if key in _mapping(place.inside(*above).data):
            return [Finding(path, f"is a key of {what}; turn it into LLMModels with rayllm convert")]
    return []


def _read_manifest(objects: Objects, place: Place) -> None:
    kind, findings = place.data.get("kind"), _check_manifest(place.data)
    objects.reports += [place.report(finding) for finding in findings]
    if kind == meta.OPERATOR_CONFIGURATION:
        configuration, reports = read_configuration(place)
        objects.reports += reports
        objects.configurations += [configuration] if configuration else []
    elif kind == meta.LLM_MODEL:
        _read_model(objects, place)
    elif kind == meta.GPU_NODE_POOL:
        pool, findings = parse_pool(place.data.get("spec"))
        objects.reports += [place.inside("spec").report(finding) for finding in findings]
        if pool is not None and (name := _metadata(place).get("name")):
            objects.pools.append(NamedPool(str(name), pool, place))


def _read_model(objects: Objects, place: Place) -> None:
    spec_place, metadata = place.inside("spec"), _metadata(place)
    spec, findings = parse_model(spec_place.data)
    objects.reports += [spec_place.report(finding) for finding in findings]
    name = metadata.get("name")
    if isinstance(name, str):
        name_findings = validate_model_name(name)
        objects.reports += [place.report(finding) for finding in name_findings]
        if spec is not None and not name_findings:
            restarted_at = _mapping(metadata.get("annotations")).get(meta.ANNOTATION_RESTARTED_AT) or ""
            namespace = metadata.get("namespace")
            namespace = namespace if isinstance(namespace, str) else None
            objects.models.append(Model(name, namespace, spec, str(restarted_at), place, spec_place))


def _check_manifest(data: dict[str, Any]) -> list[Finding]:
    """Check what is around a spec: version, kind, name and stray keys."""
    findings = []
    if data.get("apiVersion") != meta.API_VERSION:
        seen = f", seen {data['apiVersion']!r}" if "apiVersion" in data else ""
        findings.append(Finding(("apiVersion",), f"must be {meta.API_VERSION}{seen}"))
    kind = data.get("kind")
    if kind not in _KINDS:
        findings.append(Finding(("kind",), f"must be one of {', '.join(_KINDS)}, seen {kind!r}"))
    if kind in (meta.LLM_MODEL, meta.GPU_NODE_POOL):
        findings += [
            Finding((key,), f"unknown key{_suggestion(key, _MANIFEST_KEYS)}")
            for key in data
            if key not in _MANIFEST_KEYS
        ]
        metadata = _mapping(data.get("metadata"))
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if not isinstance(name, str) or not name:
            findings.append(
                Finding(("metadata", "name"), f"must be text, seen {name!r}" if name else "is required")
            )
        if namespace is not None and not isinstance(namespace, str):
            findings.append(Finding(("metadata", "namespace"), f"must be text, seen {namespace!r}"))
    return findings


def _suggestion(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(known)}"


def _metadata(place: Place) -> dict[str, Any]:
    return _mapping(place.data.get("metadata"))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _report_duplicates(objects: Objects) -> None:
    """Refuse two objects of one name: of two applies the second would win, silently."""
    first: dict[tuple[str, ...], Place] = {}
    named = [(("model", model.namespace or "", model.name), model.place) for model in objects.models]
    named += [(("pool", "", pool.name), pool.place) for pool in objects.pools]
    for key, place in named:
        earlier = first.setdefault(key, place)
        if earlier is not place:
            where = f"{earlier.document.source}:{earlier.line}"
            finding = Finding(
                ("metadata", "name"), f"{key[-1]!r} is already the {key[0]} of {where}; rename one"
            )
            objects.reports.append(place.report(finding))
