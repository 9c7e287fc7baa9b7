"""The operator's own request: the one evidence that a model generates tokens.

It goes the way that users' requests go, through the model's Service, and asks for one token.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rayllm_operator.api.root_cause import last_line
from rayllm_operator.controller.changes import differences
from rayllm_operator.controller.observed import Observed, Proof, ServeDetails
from rayllm_operator.controller.serving import (
    Application,
    active_cluster,
    application_of,
    is_model_deployment,
)
from rayllm_operator.kube.errors import ApiError
from rayllm_operator.kube.port import Answer, ApiPort, ServicePort
from rayllm_operator.render.serve_config import SERVE_PORT
from rayllm_operator.render.service import SERVICE_PORT

DASHBOARD_PORT = 8265
LIST_TIMEOUT_SECONDS = 10.0
GENERATE_TIMEOUT_SECONDS = 30.0

_OK = 200
_STARTS = ("previousStartup", "startup")


async def prove(api: ApiPort, observed: Observed) -> Proof:
    """Ask the model for one token, or one embedding, through its Service.

    After a switch of RayClusters the new one is asked first, by its own name: for a moment nodes may still
    send what goes to the Service to the old one, which answers as well.
    """
    if observed.ray_service is None:
        return Proof(False, "There is no RayService to ask.")
    application = application_of(observed.ray_service)
    namespace, name = observed.metadata["namespace"], observed.metadata["name"]
    if _took_over(observed):
        cluster = active_cluster(observed.ray_service).name
        head = ServicePort(namespace, f"{cluster}-head-svc", "serve", SERVE_PORT)
        proof = await _ask(api, head, f"RayCluster {cluster}", application)
        if not proof.succeeded:
            return proof
    target = ServicePort(namespace, name, "http", SERVICE_PORT)
    return await _ask(api, target, "the Service", application)


def _took_over(observed: Observed) -> bool:
    """Return whether the last start, or the one under way, is on another RayCluster than the one before."""
    clusters = {(observed.status.get(start) or {}).get("rayClusterName") for start in _STARTS}
    return len(clusters - {None}) > 1


async def _ask(api: ApiPort, target: ServicePort, through: str, application: Application) -> Proof:
    path, body = _request(application)
    try:
        listed = await api.service_request(target, "GET", "/v1/models", timeout_seconds=LIST_TIMEOUT_SECONDS)
        if listed.status != _OK or application.model_id not in _model_ids(listed):
            return _failure("GET /v1/models", through, listed, f"without {application.model_id!r}")
        answer = await api.service_request(
            target, "POST", path, body, timeout_seconds=GENERATE_TIMEOUT_SECONDS
        )
    except ApiError as error:
        return Proof(False, f"{error}.")
    if answer.status != _OK:
        return _failure(f"POST {path}", through, answer, "")
    return Proof(True, f"POST {path} was answered.")


async def ask_serve(api: ApiPort, observed: Observed) -> Observed:
    """Ask Ray's dashboard what Serve runs; return what was observed with its answer, or why there is none."""
    if observed.ray_service is None:
        return observed
    cluster = active_cluster(observed.ray_service).name
    namespace = observed.metadata["namespace"]
    target = ServicePort(namespace, f"{cluster}-head-svc", "dashboard", DASHBOARD_PORT)
    try:
        answer = await api.service_request(target, "GET", "/api/serve/applications/")
    except ApiError as error:
        return replace(observed, serve_error=error.cause)
    if answer.status != _OK:
        return replace(observed, serve_error=f"{answer.status}: {_words(answer)}")
    details = read_serve_details(_mapping(answer), application_of(observed.ray_service).config)
    return replace(observed, serve=details, serve_error="" if details else "the application is not deployed")


def read_serve_details(details: Mapping[str, Any], config: Mapping[str, Any]) -> ServeDetails | None:
    """Return what Serve's answer says about the one application of a configuration."""
    ours: Mapping[str, Any] = next(iter(config.get("applications") or []), {})
    found = (details.get("applications") or {}).get(ours.get("name"))
    if not found:
        return None
    deployments = [
        deployment
        for name, deployment in (found.get("deployments") or {}).items()
        if is_model_deployment(name)
    ]
    return ServeDetails(
        status=str(found.get("status", "")),
        matches=_matches(ours, found.get("deployed_app_config") or {}),
        running_replicas=sum(
            replica.get("state") == "RUNNING"
            for deployment in deployments
            for replica in deployment.get("replicas") or []
        ),
        target_replicas=sum(int(deployment.get("target_num_replicas") or 0) for deployment in deployments),
    )


def _matches(ours: Mapping[str, Any], deployed: Mapping[str, Any]) -> bool:
    """Compare both ways inside ``args``, which Serve passes through, and one way where it adds defaults."""
    missing = any(differences(ours, deployed))
    extra = any(differences(deployed.get("args") or {}, ours.get("args") or {}))
    return not missing and not extra


def _request(application: Application) -> tuple[str, dict[str, Any]]:
    if application.makes_embeddings:
        return "/v1/embeddings", {"model": application.model_id, "input": "ping"}
    body = {"model": application.model_id, "prompt": "ping", "max_tokens": 1}
    return "/v1/completions", body


def _model_ids(answer: Answer) -> set[str]:
    entries = _mapping(answer).get("data")
    return {str(entry.get("id")) for entry in entries} if isinstance(entries, list) else set()


def _failure(request: str, through: str, answer: Answer, what: str) -> Proof:
    words = _words(answer) if answer.status != _OK else what
    return Proof(
        False, f"{request} through {through} was answered {answer.status}: {words}".rstrip(": ") + "."
    )


def _words(answer: Answer) -> str:
    """Return an error's own sentence, from whichever of the three servers on the way it came."""
    body = _mapping(answer)
    error = body.get("error")
    nested = error.get("message") if isinstance(error, Mapping) else error
    return last_line(str(body.get("message") or nested or body.get("detail") or answer.text)).rstrip(".")[
        :300
    ]


def _mapping(answer: Answer) -> Mapping[str, Any]:
    try:
        body = json.loads(answer.text)
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}
