"""Waiting for a local Ray's applications, as far as tests of several kinds do it alike."""

from rayllm_operator.cli.local_ray import LocalRay
from tests.harness.local_stack import wait_for_endpoint, wait_until


def wait_until_served(ray: LocalRay, *endpoints: str, seconds: float) -> None:
    """Wait until Serve runs as many applications as there are endpoints, and each of these answers.

    Parameters
    ----------
    ray
        The Ray to which they were handed.
    endpoints
        Their addresses, up to and with ``/v1``.
    seconds
        How long Serve may take.

    Raises
    ------
    AssertionError
        With Serve's messages, if one of them will never run.
    """
    wait_until("the applications running", lambda: _are_running(ray, len(endpoints)), seconds=seconds)
    for endpoint in endpoints:
        wait_for_endpoint(endpoint)


def _are_running(ray: LocalRay, number: int) -> bool | None:
    """Return True once they run, None before."""
    applications = ray.applications().values()
    for each in applications:
        parts = (each, *each.get("deployments", {}).values())
        assert each.get("status") != "DEPLOY_FAILED", "\n".join(part.get("message", "") for part in parts)
    running = [each for each in applications if each.get("status") == "RUNNING"]
    return True if len(running) == number else None
