"""Kubernetes events under KubeRay's reasons, best effort."""

import logging
from datetime import UTC, datetime

import aiohttp

from tests.harness.kuberay_standin import naming
from tests.harness.kuberay_standin.kube import EVENT, Api, ApiError, Object

_MAX_NOTE = 1024
"""Bytes that the API server takes."""

_log = logging.getLogger(__name__)


async def emit(api: Api, regarding: Object, reason: str, note: str, *, warning: bool = False) -> None:
    """Record an event about an object; one that cannot be recorded is only logged."""
    metadata = regarding["metadata"]
    _log.info("%s %s: %s: %s", regarding["kind"], metadata["name"], reason, note)
    manifest = {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {
            "name": f"{metadata['name']}.{naming.suffix()}{naming.suffix()}",
            "namespace": metadata["namespace"],
        },
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "action": "Reconcile",
        "note": note.encode()[:_MAX_NOTE].decode(errors="ignore"),
        "reportingController": f"{regarding['kind'].lower()}-controller",
        "reportingInstance": "kuberay-standin",
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
    }
    try:
        await api.create(EVENT, manifest)
    except (ApiError, aiohttp.ClientError, TimeoutError) as error:
        _log.warning("event %s of %s was not recorded: %s", reason, metadata["name"], error)
