"""AWS credentials from a service that hands them out, as RayLLM's `s3_aws_credentials` names it."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping

from rayllm_engine.mirror.errors import MirrorError
from rayllm_engine.mirror.settings import CredentialsSettings

logger = logging.getLogger("ray.serve")

_SECONDS = 30


def request_credentials(
    settings: CredentialsSettings, environment: Mapping[str, str], known: Mapping[str, str]
) -> dict[str, str]:
    """Ask the service for credentials, and return the variables among them that are known.

    They are used for one download and never put into this process's environment. Variables that are not
    known are named once in the log.

    Raises
    ------
    MirrorError
        The token's variable is not set, the service refuses, or its answer is no object of texts.
    """
    request = urllib.request.Request(settings.url, data=b"", method="POST")  # noqa: S310 (the settings allow http only)
    if settings.token_variable is not None:
        token = environment.get(settings.token_variable)
        if not token:
            raise MirrorError(
                f"s3_aws_credentials.auth_token_env_variable: {settings.token_variable} is not set in the"
                " pod; set it in cluster_config.env"
            )
        request.add_header("Authorization", f"Bearer {token}")
    answer = _answer(settings.url, request)
    if not isinstance(answer, dict) or not all(isinstance(value, str) for value in answer.values()):
        raise MirrorError(f"{settings.url}: expected a JSON object of environment variables")
    if unknown := sorted(set(answer) - set(known)):
        logger.warning("%s: %s have no effect; ignored", settings.url, ", ".join(unknown))
    variables = {name: value for name, value in answer.items() if name in known}
    if not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= variables.keys():
        seen = ", ".join(sorted(answer)) or "nothing"
        raise MirrorError(
            f"{settings.url}: expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the answer, got {seen}"
        )
    return variables


def _answer(url: str, request: urllib.request.Request) -> object:
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            answer: object = json.load(response)
    except urllib.error.HTTPError as error:
        raise MirrorError(
            f"{url}: the credentials service answered {error.code} {error.reason};"
            " check s3_aws_credentials and its token"
        ) from error
    except (OSError, ValueError) as error:
        raise MirrorError(f"{url}: no credentials to be had: {error}; check s3_aws_credentials") from error
    return answer
