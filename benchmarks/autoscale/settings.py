"""The settings that are compared, and the Serve applications that have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.autoscale.trace import CALM
from rayllm_operator.api.configuration import DEFAULT_ENGINE
from rayllm_operator.api.validation import parse_model
from rayllm_operator.plan.application import application

MODEL = "rayllm/echo"
ANSWER_SECONDS = 0.5
MOST_REPLICAS = 3
ONGOING = 10
"""max_ongoing_requests of each replica."""

_BUILDER = "benchmarks.autoscale.application:build"
_DEPLOYMENT = "Echo"
_RESET = {
    "metrics_interval_s": 0.5,
    "look_back_period_s": 1.0,
    "upscale_delay_s": 0.0,
    "downscale_delay_s": 0.0,
    "target_ongoing_requests": CALM,
}
"""Autoscaling that sheds replicas at once, between rounds."""


@dataclass(frozen=True)
class Setting:
    """A way to autoscale."""

    name: str
    deployment: Mapping[str, Any]
    """Serve's options of the model's deployment, without bounds of replicas."""

    def application(self, *, routed: bool, reset: bool) -> dict[str, Any]:
        """Return the entry under ``applications``.

        On the direct path there are one to three replicas, on the routed path none to three; a reset leaves
        one and none.
        """
        lowest = 0 if routed else 1
        bounds = {"min_replicas": lowest, "max_replicas": 1 if reset else MOST_REPLICAS}
        speed = _RESET if reset else self.deployment["autoscaling_config"]
        name = self.app(routed=routed)
        return {
            "name": name,
            "route_prefix": f"/{name}",
            "import_path": _BUILDER,
            "args": {"model": MODEL, "answer_seconds": ANSWER_SECONDS, "routed": routed},
            "deployments": [
                {**self.deployment, "name": _DEPLOYMENT, "autoscaling_config": {**speed, **bounds}}
            ],
        }

    def app(self, *, routed: bool) -> str:
        """Return the name of an application with this setting, which is its route too."""
        return f"{self.name.lower().replace(' ', '-')}-{'routed' if routed else 'direct'}"


def settings() -> tuple[Setting, ...]:
    """Return ours, as the operator renders a model without ``autoscaling_config``, and its peers."""
    absent, empty = _rendered({}), _rendered({"autoscaling_config": {}})
    return (
        Setting("ours", absent),
        Setting("RayLLM", empty),
        # Nothing is set, so that Serve's own defaults apply.
        Setting("Ray Serve", {**empty, "autoscaling_config": {}}),
    )


def target_of_ours() -> float:
    """Return the requests that our profile wants a replica to have."""
    target: float = settings()[0].deployment["autoscaling_config"]["target_ongoing_requests"]
    return target


def serve_config(port: int, *, reset: bool) -> dict[str, Any]:
    """Return Serve's configuration with both applications of every setting."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "127.0.0.1", "port": port},
        "applications": [
            setting.application(routed=routed, reset=reset)
            for setting in settings()
            for routed in (False, True)
        ],
    }


def _rendered(deployment_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the deployment that the operator renders for such a model."""
    spec, findings = parse_model(
        {
            "deployment_config": {**deployment_config, "max_ongoing_requests": ONGOING},
            "engine_config": {"model_id": MODEL},
        }
    )
    if spec is None:
        raise ValueError(f"the benchmark's own model is refused: {findings}")
    (options,) = application(spec, DEFAULT_ENGINE, restarted_at="").deployments
    scaling = dict(options["autoscaling_config"])
    bounds = ("min_replicas", "max_replicas")
    return {**options, "autoscaling_config": {key: scaling[key] for key in scaling if key not in bounds}}
