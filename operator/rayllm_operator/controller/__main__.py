"""``python -m rayllm_operator.controller``: the operator's process."""

import asyncio
import gc
import sys
from pathlib import Path

import click
import yaml

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.findings import errors
from rayllm_operator.api.validation import parse_configuration
from rayllm_operator.controller.app import Options, run
from rayllm_operator.controller.leadership import LeadershipLostError, LeaseSettings, identity
from rayllm_operator.controller.logs import configure_logs, log
from rayllm_operator.kube.client import ServiceAccess

_NEW_OBJECTS = 10_000
"""So many new objects begin a collection of garbage: Python's 700 cost a sixth of a busy operator's CPU."""

_EPILOG = """\b
Example, outside a cluster:
  KUBECONFIG=~/.kube/config python -m rayllm_operator.controller --namespace models --http-port 8081
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--namespace", "namespaces", multiple=True, help="Watch this namespace; repeat it. Default: all."
)
@click.option(
    "--configuration",
    "configuration_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The operator's configuration, a YAML file. Default: built-in defaults.",
)
@click.option(
    "--service-access",
    type=click.Choice([access.value for access in ServiceAccess]),
    help="How to reach models and dashboards. Default: Direct inside a cluster, else ApiServerProxy.",
)
@click.option("--http-port", default=8080, show_default=True, help="Port of /healthz, /readyz and /metrics.")
@click.option(
    "--lease",
    metavar="NAMESPACE/NAME",
    help="Work only while holding this Lease, for several operators of one cluster. Default: none.",
)
@click.option(
    "--lease-seconds",
    type=click.IntRange(min=3),
    default=15,
    show_default=True,
    help="Seconds without a renewal after which another operator takes the Lease.",
)
@click.option("--log-level", default="INFO", show_default=True, help="DEBUG, INFO, WARNING or ERROR.")
def main(
    namespaces: tuple[str, ...],
    configuration_file: Path | None,
    service_access: str | None,
    http_port: int,
    lease: str | None,
    lease_seconds: int,
    log_level: str,
) -> None:
    """Serve the cluster's LLMModels: watch them and keep their RayServices true.

    Logs in with the pod's service account, else with the kubeconfig that KUBECONFIG names.
    """
    configure_logs(log_level)
    gc.set_threshold(_NEW_OBJECTS)
    access = ServiceAccess(service_access) if service_access else None
    options = Options(namespaces, access, http_port, _lease(lease, lease_seconds))
    lost: BaseException | None = None
    try:
        asyncio.run(_run(options, _configuration(configuration_file)))
    except* LeadershipLostError as group:
        lost = _only(group)  # to exit from here would end in a traceback
    if lost is not None:
        log.error("stopped, because another operator may lead now", error=str(lost))
        sys.exit(1)


def _only(group: BaseExceptionGroup) -> BaseException:
    """Return the exception at the bottom of groups."""
    inner = group.exceptions[0]
    return _only(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _lease(name: str | None, seconds: int) -> LeaseSettings | None:
    if name is None:
        return None
    namespace, separator, own = name.partition("/")
    if not (namespace and separator and own):
        raise click.BadParameter(f"--lease {name!r} is not NAMESPACE/NAME")
    return LeaseSettings(namespace, own, identity(), seconds)


async def _run(options: Options, configuration: OperatorConfiguration) -> None:
    await run(options, configuration, asyncio.Event())


def _configuration(path: Path | None) -> OperatorConfiguration:
    if path is None:
        return OperatorConfiguration()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise click.BadParameter(f"{path} is not YAML: {error}") from error
    # A file may be written as an object, with a kind, for the command line to tell it from others.
    fields = {key: value for key, value in data.items() if key not in {"apiVersion", "kind", "metadata"}}
    configuration, findings = parse_configuration(fields)
    if configuration is None:
        lines = "\n".join(f"  {finding}" for finding in errors(findings))
        raise click.BadParameter(f"{path}:\n{lines}")
    return configuration


if __name__ == "__main__":
    sys.exit(main())
