"""Reading a cluster for the commands that look at models: with the kubeconfig and rights of whoever asks."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rayllm_operator.api.meta import LABEL_MODEL
from rayllm_operator.kube.errors import ApiError, ForbiddenError, KindMissingError, NotFoundError
from rayllm_operator.kube.kinds import EVENT, LLM_MODEL, POD, RAY_SERVICE
from rayllm_operator.kube.port import ApiPort, Object

if TYPE_CHECKING:
    from rayllm_operator.kube.client import KubernetesApi

Value = TypeVar("Value")
Command = TypeVar("Command", bound=Callable[..., Any])


class ClusterError(click.ClickException):
    """The cluster does not answer, or not with what was asked for."""

    exit_code = 1


@dataclass(frozen=True)
class Place:
    """Which cluster, and which namespace of it."""

    kubeconfig: str | None
    """Path of the kubeconfig; None: KUBECONFIG, else the user's."""
    context: str | None
    """Context of the kubeconfig; None: its current one."""
    namespace: str | None
    """Namespace; None: the context's, else ``default``."""


@dataclass(frozen=True)
class Evidence:
    """One model and what surrounds it, as they are now."""

    model: Object
    pods: tuple[Object, ...] = ()
    """Head and worker pods."""
    events: tuple[Object, ...] = ()
    """Events of the model, its RayService, RayClusters and pods, the newest first."""
    ray_service: Object | None = None
    unreadable: tuple[str, ...] = ()
    """What could not be read, and why."""


def cluster_options(command: Command) -> Command:
    """Add the options that say which cluster and namespace are meant, as kubectl names them."""
    for option in (
        click.option("--namespace", "-n", metavar="NAME", help="Namespace. Default: the context's."),
        click.option(
            "--context", metavar="NAME", help="Context of the kubeconfig. Default: its current one."
        ),
        click.option(
            "--kubeconfig", metavar="FILE", help="Default: the variable KUBECONFIG, else ~/.kube/config."
        ),
    ):
        command = option(command)
    return command


def ask(place: Place, question: Callable[[ApiPort, str], Awaitable[Value]]) -> Value:
    """Log in, put a question with the namespace that is meant, and return its answer.

    Raises
    ------
    ClusterError
        The cluster cannot be reached, refuses, or has not got what was asked for.
    """
    try:
        # Files are read without the client, which is an extra of the package.
        from rayllm_operator.kube.client import connect, namespace_of_context  # noqa: PLC0415
    except ImportError as error:
        raise ClusterError(
            f"this command needs the package {error.name}: install rayllm-operator[operator]"
        ) from None

    async def put() -> Value:
        namespace = place.namespace or namespace_of_context(place.kubeconfig, place.context)
        api: KubernetesApi
        async with connect(kubeconfig=place.kubeconfig, context=place.context) as api:
            return await question(api, namespace)

    try:
        return asyncio.run(put())
    except KindMissingError as error:
        raise ClusterError(f"{error}. Are the operator's CRDs installed in this cluster?") from None
    except ApiError as error:
        raise ClusterError(f"{error}") from None


async def models_in(api: ApiPort, namespace: str | None) -> list[Object]:
    """Return the models of a namespace, or of all."""
    return await api.list_objects(LLM_MODEL, namespace)


async def model_named(api: ApiPort, name: str, namespace: str) -> Object:
    """Return a model; one that is not there is an error that names those that are nearest."""
    try:
        return await api.get(LLM_MODEL, name, namespace)
    except KindMissingError:
        raise
    except NotFoundError:
        names = [model["metadata"]["name"] for model in await models_in(api, namespace)]
        near = get_close_matches(name, names, n=3, cutoff=0.4) or names[:3]
        hint = f"; there is {', '.join(near)}" if near else "; there is none at all"
        raise ClusterError(f"no LLMModel {name!r} in namespace {namespace!r}{hint}") from None


async def gather_evidence(api: ApiPort, name: str, namespace: str) -> Evidence:
    """Return a model and what surrounds it; what may not be read is left out, and said."""
    model, unreadable = await model_named(api, name, namespace), []

    async def read(what: str, answer: Awaitable[list[Object]]) -> list[Object]:
        try:
            return await answer
        except ForbiddenError as error:
            unreadable.append(f"{what}: {error.cause}")
        except NotFoundError:
            pass
        return []

    pods = await read("pods", api.list_objects(POD, namespace, f"{LABEL_MODEL}={name}"))
    events = await read("events", api.list_objects(EVENT, namespace))
    ray_services = await read(
        "RayServices", api.list_objects(RAY_SERVICE, namespace, f"{LABEL_MODEL}={name}")
    )
    about = {name, *(pod["metadata"]["name"] for pod in pods), *_ray_clusters(ray_services)}
    told = [event for event in events if (event.get("involvedObject") or {}).get("name") in about]
    return Evidence(
        model,
        tuple(pods),
        tuple(sorted(told, key=moment_of, reverse=True)),
        next(iter(ray_services), None),
        tuple(unreadable),
    )


def moment_of(event: Object) -> str:
    """Return when an Event was seen last, RFC 3339."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def _ray_clusters(ray_services: list[Object]) -> set[str]:
    fields = ("activeServiceStatus", "pendingServiceStatus")
    statuses = [(item.get("status") or {}).get(field) or {} for item in ray_services for field in fields]
    return {status["rayClusterName"] for status in statuses if status.get("rayClusterName")}
