"""kubeconform, with the schemas that an API server publishes: what users run over a GitOps repository before they push."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.harness.go_modules import go_programs
from tests.harness.local_stack import Kubectl

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("items", "additionalProperties", "not")


def complaints(
    kubectl: Kubectl, manifests: Iterable[Mapping[str, Any]], folder: Path
) -> dict[tuple[str, str], str]:
    """Let kubeconform judge manifests, unknown fields included.

    Parameters
    ----------
    kubectl
        Reaches the API server whose schemas count; it has to know every kind.
    manifests
        Objects of any kinds.
    folder
        A folder for the schemas, which are kept there for the next time, and the manifests.

    Returns
    -------
    dict
        What is wrong, by kind and name of the object; empty where nothing is.
    """
    manifests = list(manifests)
    for version, kind in {(manifest["apiVersion"], manifest["kind"]) for manifest in manifests}:
        path = folder / "schemas" / version / f"{kind.lower()}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(_schema(kubectl, version, kind)))
    file = folder / "manifests.yaml"
    file.write_text("\n---\n".join(json.dumps(manifest) for manifest in manifests))
    # kubeconform takes `v1` for the group of kinds without one, and gives the version alone as a second word.
    place = (
        "{{.Group}}{{if ne .Group .ResourceAPIVersion}}/{{.ResourceAPIVersion}}{{end}}/{{.ResourceKind}}.json"
    )
    command = [str(go_programs("chart") / "kubeconform"), "-strict", "-output=json", "-verbose"]
    command += [f"-schema-location={folder}/schemas/{place}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    judged = json.loads(done.stdout)["resources"]
    if len(judged) != len(manifests):
        raise AssertionError(f"kubeconform judged {len(judged)} of {len(manifests)}: {done.stderr}")
    wrong = (each for each in judged if each["status"] != "statusValid")
    return {(each["kind"], each["name"]): each["msg"] for each in wrong}


def _schema(kubectl: Kubectl, version: str, kind: str) -> dict[str, Any]:
    """Return a kind's JSON schema, made from the OpenAPI document of its group and version."""
    prefix = "apis" if "/" in version else "api"
    document = json.loads(kubectl("get", "--raw", f"/openapi/v3/{prefix}/{version}"))
    group, _, short = version.rpartition("/")
    wanted = {"group": group, "version": short, "kind": kind}
    schemas = document["components"]["schemas"]
    (name,) = [
        name for name, each in schemas.items() if wanted in each.get("x-kubernetes-group-version-kind", ())
    ]
    strict = {each: _as_json_schema(schema) for each, schema in schemas.items()}
    return {"$ref": f"#/components/schemas/{name}", "components": {"schemas": strict}}


def _as_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI schema as JSON schema that refuses unknown fields, as `kubectl apply` does."""
    found = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes")}
    found |= {key: [_as_json_schema(each) for each in found[key]] for key in _LISTS if key in found}
    found |= {key: _as_json_schema(found[key]) for key in _SINGLE if isinstance(found.get(key), dict)}
    if "properties" in found:
        found["properties"] = {key: _as_json_schema(each) for key, each in found["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
    if found.pop("nullable", False):
        found = {"anyOf": [found, {"type": "null"}]}
    return found
