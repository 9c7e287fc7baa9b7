"""Writes what of the chart is generated: ``python -m tests.harness.chart_files``.

That is the CRDs and the admission policy, copied from crds/, Grafana's dashboards, and values.schema.json, in which
the operator's configuration and the specs of pools have the schema of their pydantic models.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.generate import generated_files
from rayllm_operator.api.gpu_node_pool import GPUNodePoolSpec
from tests.harness.chart_dashboards import dashboards
from tests.harness.local_stack import CHECKOUT

CHART = CHECKOUT / "charts" / "rayllm-operator"

SET_BY_THE_CHART = (
    "engines",
    "namespaces",
    "operatorNamespace",
    "env",
    "imagePullSecrets",
    "allowedImageRegistries",
)
"""Keys of the operator's configuration that have values of their own."""

OPEN: dict[str, Any] = {"type": "object", "additionalProperties": True}
"""Something of Kubernetes that the API server judges."""


def section(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def of_strings() -> dict[str, Any]:
    """Return the schema of labels, annotations and the like."""
    return {"type": "object", "additionalProperties": {"type": "string"}}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


TEXT = {"type": "string"}
BOOLEAN = {"type": "boolean"}
NAMES = listed({"type": "string", "minLength": 1})
DIGEST = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
PULL_SECRETS = listed({**section(name={"type": "string", "minLength": 1}), "required": ["name"]})
QUANTITIES = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}


def image(**more: Any) -> dict[str, Any]:
    """Return the schema of an image in the registry."""
    return section(repository={"type": "string", "minLength": 1}, tag=TEXT, digest=DIGEST, **more)


def schema() -> dict[str, Any]:
    """Return the schema of the chart's values."""
    definitions: dict[str, Any] = {}
    configuration = _of_model(OperatorConfiguration, definitions)
    for key in SET_BY_THE_CHART:
        del configuration["properties"][key]
    pool = section(name={"type": "string", "minLength": 1}, spec=_of_model(GPUNodePoolSpec, definitions))
    variables = listed({"$ref": "#/$defs/EnvironmentVariable"})
    tolerations = listed({"$ref": "#/$defs/Toleration"})
    version = {"type": "string", "minLength": 1}
    values = section(
        registry=TEXT,
        nameOverride=TEXT,
        fullnameOverride=TEXT,
        commonLabels=of_strings(),
        image=image(pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]}),
        imagePullSecrets=PULL_SECRETS,
        engine=section(
            images={
                **listed({**image(ray=version, vllm=version), "required": ["repository", "ray", "vllm"]}),
                "minItems": 1,
            },
            imagePullSecrets=NAMES,
            allowedRegistries=NAMES,
        ),
        models=section(
            env=variables,
            huggingFaceEndpoint=TEXT,
            proxy=section(http=TEXT, https=TEXT, none=TEXT),
            networkPolicy=section(
                namespaces=NAMES,
                kuberayNamespace=TEXT,
                kuberayPodLabels=of_strings(),
                clients=listed(OPEN),
                monitoring=listed(OPEN),
            ),
        ),
        watchNamespaces=NAMES,
        configuration=configuration,
        operator=section(
            replicas={"type": "integer", "minimum": 0},
            leaseSeconds={"type": "integer", "minimum": 3},
            logLevel={"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]},
            resources=section(requests=QUANTITIES, limits=QUANTITIES),
            env=variables,
            nodeSelector=of_strings(),
            tolerations=tolerations,
            affinity=OPEN,
            priorityClassName=TEXT,
            podLabels=of_strings(),
            podAnnotations=of_strings(),
            podDisruptionBudget=section(enabled=BOOLEAN),
            networkPolicy=section(enabled=BOOLEAN, **{"from": listed(OPEN)}),
        ),
        serviceAccount=section(create=BOOLEAN, name=TEXT, annotations=of_strings()),
        rbac=section(create=BOOLEAN, aggregate=BOOLEAN),
        crds=section(enabled=BOOLEAN, keep=BOOLEAN),
        admissionPolicy=section(enabled=BOOLEAN),
        pools=listed({**pool, "required": ["name", "spec"]}),
        metrics=section(
            serviceMonitor=section(enabled=BOOLEAN, interval=DURATION, labels=of_strings()),
            podMonitor=section(enabled=BOOLEAN, interval=DURATION, labels=of_strings()),
            rules=section(enabled=BOOLEAN, labels=of_strings(), runbooks=TEXT),
            dashboards=section(enabled=BOOLEAN, labels=of_strings(), annotations=of_strings()),
        ),
        extraObjects=listed(OPEN),
        # Helm's own: what charts above this one share with it.
        **{"global": OPEN},
    )
    return {"$schema": "http://json-schema.org/draft-07/schema#", **values, "$defs": definitions}


def _of_model(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema, and put what it refers to among the definitions."""
    found = model.model_json_schema(by_alias=True)
    definitions |= found.pop("$defs", {})
    found.pop("title", None)
    return found


def chart_files() -> Iterator[tuple[str, str]]:
    """Yield every generated file's path in the chart, and its text."""
    yield "values.schema.json", json.dumps(schema(), indent=2) + "\n"
    for name, text in generated_files().items():
        yield f"files/{name}" if "policy" in name else f"files/crds/{name}", text
    for name, dashboard in dashboards():
        yield f"files/dashboards/{name}.json", json.dumps(dashboard, indent=2) + "\n"


def main() -> None:
    """Write the generated files."""
    for path, text in chart_files():
        (CHART / path).parent.mkdir(parents=True, exist_ok=True)
        (CHART / path).write_text(text)


def levels(value: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every object's schema in a schema, with its path."""
    if isinstance(value, Mapping):
        if value.get("type") == "object":
            yield path, value
        for key, each in value.items():
            yield from levels(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from levels(each, f"{path}[{index}]")


if __name__ == "__main__":
    main()
