"""Reads what the commands share: the model files, ``--pools`` and ``--config``."""

from collections.abc import Sequence
from dataclasses import dataclass

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.cli.documents import UnreadableInputError, read_documents
from rayllm_operator.cli.objects import Model, NamedPool, Objects, Place, read_configuration, read_objects
from rayllm_operator.cli.planning import plan_of, reports_of, shared_ids
from rayllm_operator.cli.reports import Report
from rayllm_operator.plan import PlanResult

NO_POOLS_NOTE = (
    "no pools were given: planned against one pool that offers whatever a model asks for (--pools FILE)"
)


@dataclass(frozen=True)
class PlannedModel:
    """A model of a file and what was decided about it."""

    model: Model
    result: PlanResult


@dataclass(frozen=True)
class Inputs:
    """Everything that was read and decided, with all that there is to say about it."""

    objects: Objects
    pools: Sequence[NamedPool] | None
    """None where no file holds any."""
    models: Sequence[PlannedModel]
    reports: Sequence[Report]
    configuration: OperatorConfiguration


def read_inputs(
    files: Sequence[str], pool_files: Sequence[str], config_file: str | None, namespace: str
) -> Inputs:
    """Read, check and plan the models of files.

    Raises
    ------
    UnreadableInputError
        A file cannot be read at all, or holds nothing of what its option asks for.
    """
    documents, reports = read_documents(files)
    objects = read_objects(documents)
    reports += objects.reports
    pools, pool_reports = _read_pools(pool_files, objects)
    configuration, config_reports = _read_configuration(config_file, objects)
    planned = [
        PlannedModel(model, plan_of(model, pools, configuration, namespace)) for model in objects.models
    ]
    for plan in planned:
        reports += reports_of(plan.model, plan.result.findings)
    reports += shared_ids(objects.models, namespace)
    return Inputs(objects, pools, planned, [*reports, *pool_reports, *config_reports], configuration)


def _read_pools(
    pool_files: Sequence[str], objects: Objects
) -> tuple[Sequence[NamedPool] | None, list[Report]]:
    """Return the pools of ``--pools`` and those that stand beside the models."""
    if not pool_files:
        return objects.pools or None, []
    documents, reports = read_documents(pool_files)
    found = read_objects(documents)
    reports += found.reports
    if not found.pools and not reports:
        raise UnreadableInputError(f"{', '.join(pool_files)}: holds no GPUNodePool")
    return [*objects.pools, *found.pools], reports


def _read_configuration(
    config_file: str | None, objects: Objects
) -> tuple[OperatorConfiguration, list[Report]]:
    if config_file is None:
        return next(iter(objects.configurations), OperatorConfiguration()), []
    documents, reports = read_documents([config_file])
    if not documents and not reports:
        raise UnreadableInputError(f"{config_file}: holds no configuration")
    for document in documents[:1]:
        configuration, problems = read_configuration(Place(document))
        reports += problems
        if configuration is not None:
            return configuration, reports
    return OperatorConfiguration(), reports
