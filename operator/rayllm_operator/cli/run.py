"""``rayllm run``: a model of a file on this machine, with Ray and without Kubernetes."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from rayllm_operator.api.root_cause import root_cause
from rayllm_operator.cli import options
from rayllm_operator.cli.engine import Engine, EngineMissingError, find_engine
from rayllm_operator.cli.inputs import read_inputs
from rayllm_operator.cli.local_application import (
    CannotServeHereError,
    LocalApplication,
    llm_config,
    local_application,
)
from rayllm_operator.cli.local_ray import LocalRay, LocalRayError, environment_without_ray, lists_models
from rayllm_operator.cli.progress import Progress
from rayllm_operator.cli.render import refuse_errors
from rayllm_operator.cli.requests_log import RequestsLog
from rayllm_operator.plan import Intent, ModelPlan

_POLL_SECONDS = 1.0
_FAILED = {"DEPLOY_FAILED", "UNHEALTHY"}


class NotServingError(click.ClickException):
    """The model does not serve on this machine."""

    exit_code = options.ExitCode.NOT_SERVING


class RefusedError(click.ClickException):
    """The file cannot be served here as it is written."""

    exit_code = options.ExitCode.FINDINGS


@click.command(short_help="Serve a model on this machine, without Kubernetes.")
@click.argument("file", metavar="FILE")
@options.pools
@options.config
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on."
)
@click.option(
    "--engine-python",
    envvar="RAYLLM_ENGINE_PYTHON",
    metavar="PATH",
    help="Python that has Ray, vLLM and rayllm-engine. Default: this one, else what `make engine` made.",
)
@click.option(
    "--model-volume", metavar="DIR", help="Directory that stands in for cluster_config.modelVolume of FILE."
)
def run(
    file: str,
    pool_files: tuple[str, ...],
    config_file: str | None,
    host: str,
    port: int,
    engine_python: str | None,
    model_volume: str | None,
) -> None:
    """Serve the model of FILE on this machine until Ctrl-C, without Kubernetes.

    It starts a Ray of its own, with ports, directory and resources of its own, and hands it the Serve
    application that the operator would render: same prompt format, same stops, same API. Other Rays of the
    machine are left alone, and no process stays behind. Needs Linux and the engine packages; literal
    variables of cluster_config.env are set, those from Secrets are taken from this environment.

    \b
    Examples:
      rayllm run model.yaml
      rayllm run model.yaml --port 9000 --engine-python ~/engine/bin/python
      rayllm run private-model.yaml --model-volume ~/models

    \b
    Exit codes:
      0  stopped by Ctrl-C or SIGTERM
      1  the file has errors, or asks for what this machine has not got
      2  wrong usage, or a file that cannot be read
      3  the engine is missing, or the model did not start or stopped serving
    """  # noqa: D301 (click keeps the lines after a backspace as they are)
    inputs = read_inputs((file,), pool_files, config_file, "default")
    refuse_errors(inputs, file)
    plans = [planned.result.plan for planned in inputs.models if planned.result.plan is not None]
    if len(plans) != 1:
        raise click.UsageError(f"{file}: holds {len(plans)} models; run serves one")
    plan = plans[0]
    if plan.intent is not Intent.SERVE:
        raise RefusedError(f"{file}: the model is {plan.intent.value.lower()}; there is nothing to serve")
    try:
        application = local_application(plan, host=host, port=port, model_volume=model_volume)
        engine = find_engine(engine_python)
        _check_port_is_free(host, port)
        with Progress() as progress:
            _serve(plan, application, engine, progress)
    except CannotServeHereError as error:
        raise RefusedError(f"{file}: {error}") from None
    except (EngineMissingError, LocalRayError) as error:
        raise NotServingError(str(error)) from None


def _serve(plan: ModelPlan, application: LocalApplication, engine: Engine, progress: Progress) -> None:
    """Start Ray, deploy, and follow the model until a signal or a failure ends it."""
    progress.say(f"{plan.model_id}: Ray {engine.ray} and vLLM {engine.vllm} of {engine.python}")
    if engine.ray != plan.engine.ray or engine.vllm != plan.engine.vllm:
        progress.say(
            f"note: in a cluster it would run with Ray {plan.engine.ray} and vLLM {plan.engine.vllm}"
        )
    path = plan.application.data_path
    progress.say(f"data path: {path.path.lower()}, because {path.reason}")
    for name in application.missing_variables:
        progress.say(f"note: {name} comes from a Secret or ConfigMap in a cluster, and is not set here")
    environment = {**environment_without_ray(), **application.environment}
    local_ray = LocalRay(engine.python, application.node, environment)
    with _signals_as_interrupt():
        try:
            progress.wait_for("starting Ray")
            with local_ray:
                try:
                    _deploy_and_follow(local_ray, application, progress)
                except LocalRayError:
                    local_ray.keep_directory = True
                    raise
                except KeyboardInterrupt:
                    # A second Ctrl-C must not cut the cleaning up short.
                    _ignore_signals()
                    progress.say("stopping")
        except KeyboardInterrupt:
            progress.say("stopped while Ray was starting")
        except LocalRayError as error:
            raise LocalRayError(f"{error}\nLogs: {local_ray.directory}") from None
    progress.say("stopped; no process is left")


def _deploy_and_follow(ray: LocalRay, application: LocalApplication, progress: Progress) -> None:
    progress.say("Ray is up")
    ray.deploy(application.serve_config)
    progress.wait_for("starting the engine")
    _wait_until_running(ray, progress)
    while not lists_models(_endpoint(application)):
        ray.check_alive()
        time.sleep(_POLL_SECONDS)
    progress.settle()
    _announce(application, progress)
    requests = RequestsLog(ray.serve_logs)
    was = ""
    while True:
        time.sleep(_POLL_SECONDS)
        ray.check_alive()
        for line in requests.new_lines():
            progress.say(line)
        now = _state(ray.applications())
        if now and now != was:
            if was:
                progress.say(now)
            was = now


def _wait_until_running(ray: LocalRay, progress: Progress) -> None:
    said = ""
    while True:
        time.sleep(_POLL_SECONDS)
        applications = ray.applications()
        ray.check_alive()
        for application in applications.values():
            if application["status"] == "RUNNING":
                return
            if application["status"] in _FAILED:
                raise LocalRayError(f"the model did not start: {_cause(application)}")
        if (now := _state(applications)) and now != said:
            progress.say(now)
            said = now


def _state(applications: dict[str, Any]) -> str:
    """Put the state of the deployments in one line."""
    parts = []
    for application in applications.values():
        for name, deployment in application["deployments"].items():
            replicas = [replica["state"].lower() for replica in deployment.get("replicas", ())]
            message = (deployment.get("message") or "").partition("\n")[0]
            summary = ", ".join(f"{replicas.count(state)} {state}" for state in dict.fromkeys(replicas))
            parts.append(f"{name}: {summary or 'no replica'}{f' ({message})' if message else ''}")
    return "; ".join(parts)


def _cause(application: dict[str, Any]) -> str:
    """Return why the deployment that failed did not start."""
    failed = [
        deployment["message"]
        for deployment in application["deployments"].values()
        if deployment["status"] not in {"HEALTHY", "UPDATING"} and deployment["message"]
    ]
    return root_cause(failed[0] if failed else application["message"]) or "no reason was given"


def _endpoint(application: LocalApplication) -> str:
    listening = application.serve_config["http_options"]
    host = "127.0.0.1" if listening["host"] == "0.0.0.0" else listening["host"]  # noqa: S104 (a comparison)
    return f"http://{host}:{listening['port']}/v1"


def _announce(application: LocalApplication, progress: Progress) -> None:
    url, engine = _endpoint(application), llm_config(application.serve_config)
    model_id = engine["model_loading_config"]["model_id"]
    chat = engine["experimental_configs"]["rayllm"].get("chat", True)
    path = "chat/completions" if chat else "completions"
    question: dict[str, Any] = (
        {"messages": [{"role": "user", "content": "Hello"}]} if chat else {"prompt": "Hello"}
    )
    progress.say("the model is serving; Ctrl-C stops it")
    click.echo(f"endpoint: {url}")
    click.echo(f"try:      curl -s {url}/{path} -H 'Content-Type: application/json' \\")
    click.echo(f"            -d '{json.dumps({'model': model_id, **question})}'")


def _check_port_is_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.UsageError(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another with --host and --port"
            ) from None


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
