"""Holds what ``rayllm convert`` wrote against everything that validates a model."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.findings import Severity
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.conversion_inputs import ConversionInputs, NamedConversion
from rayllm_operator.cli.documents import Document
from rayllm_operator.cli.objects import Model, Place
from rayllm_operator.cli.planning import plan_of, reports_of, shared_ids
from rayllm_operator.cli.reports import Report
from rayllm_operator.convert.manifest import Conversion, manifest_text
from rayllm_operator.convert.notes import Kind, Note
from rayllm_operator.render.yaml_dialect import DialectError, load_all

_NAMESPACE = "default"


@dataclass(frozen=True)
class Manifest:
    """An LLMModel that may be applied."""

    model: Model
    text: str


@dataclass(frozen=True)
class Checked:
    """The manifests without errors, and all that there is to say."""

    manifests: Sequence[Manifest]
    refused: int
    """Models that have errors."""
    notes: Sequence[Note]


def check(inputs: ConversionInputs) -> Checked:
    """Parse and plan each model from the text of its manifest; what has errors gives none."""
    collisions = _collisions(inputs.models)
    manifests: list[Manifest] = []
    notes = [*inputs.notes, *collisions]
    colliding = {(note.source, note.line) for note in collisions}
    for named in inputs.models:
        manifest, found = _check(named)
        notes += found
        place = (named.conversion.source, named.conversion.lines[()])
        if manifest is not None and place not in colliding:
            manifests.append(manifest)
    models = [manifest.model for manifest in manifests]
    notes += [_note(report) for report in shared_ids(models, _NAMESPACE)]
    return Checked(manifests, len(inputs.models) - len(manifests), _in_order(notes))


def _check(named: NamedConversion) -> tuple[Manifest | None, list[Note]]:
    conversion, notes = named.conversion, list(named.conversion.notes)
    if not conversion.spec_text or not named.name:
        return None, notes
    text = manifest_text(named.name, conversion.spec_text)
    try:
        (value,) = load_all(text)
    except DialectError as error:
        note = Note(Kind.ERROR, conversion.source, conversion.lines[()], "", f"cannot be written: {error}")
        return None, [*notes, note]
    spec, findings = parse_model(value.data["spec"])
    place = Place(Document(conversion.source, conversion.spec, conversion.lines))
    reports = [place.report(finding) for finding in findings]
    if spec is None:
        return None, [*notes, *map(_note, reports)]
    model = Model(named.name, None, spec, "", place, place)
    result = plan_of(model, None, OperatorConfiguration(), _NAMESPACE)
    reports += reports_of(model, result.findings)
    notes += map(_note, reports)
    failed = any(note.kind is Kind.ERROR for note in notes)
    return None if failed else Manifest(model, text), notes


def _collisions(models: Sequence[NamedConversion]) -> list[Note]:
    """Refuse two models of one name, on each of them: neither is the right one to keep."""
    same: defaultdict[str, list[Conversion]] = defaultdict(list)
    for named in models:
        if named.name:
            same[named.name].append(named.conversion)
    notes = []
    for name, group in same.items():
        for conversion in group:
            others = [f"{other.source}:{other.lines[()]}" for other in group if other is not conversion]
            if others:
                message = f"{name!r} is also the name of {', '.join(others)}; rename one file"
                line = conversion.lines[()]
                notes.append(Note(Kind.ERROR, conversion.source, line, "metadata.name", message))
    return notes


def _note(report: Report) -> Note:
    kind = Kind.ERROR if report.severity is Severity.ERROR else Kind.WARNING
    return Note(kind, report.source, report.line, report.key, report.message)


def _in_order(notes: Sequence[Note]) -> list[Note]:
    return sorted(dict.fromkeys(notes), key=lambda note: (note.source, note.line))
