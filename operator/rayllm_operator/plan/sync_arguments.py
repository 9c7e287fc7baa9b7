"""``s3_sync_args``: what of ``aws s3 sync``'s command line the engine's own download carries out.

RayLLM handed these arguments to the AWS command line. Nothing here runs it, so every argument is either
translated into a setting of the download, known to change nothing, or refused by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rayllm_operator.api.findings import Severity

FILTERS = {"--exclude": "exclude", "--include": "include"}
SETTINGS = {
    "--ca-bundle": "ca_bundle",
    "--endpoint-url": "endpoint_url",
    "--profile": "profile",
    "--region": "region",
}
"""Options with a value, by the name of the setting in the engine's contract."""

NO_SIGN_REQUEST, NO_VERIFY_SSL, REQUEST_PAYER = "--no-sign-request", "--no-verify-ssl", "--request-payer"
INEFFECTIVE = {
    "--exact-timestamps": 0,
    "--no-paginate": 0,
    "--no-progress": 0,
    "--only-show-errors": 0,
    "--page-size": 1,
    "--quiet": 0,
    "--size-only": 0,
}
"""Options that could change nothing here, and how many values follow. They say how sync prints, lists or
tells what changed, and this download compares sizes and ETags."""

_CARRIED_OUT = sorted([*FILTERS, *SETTINGS, NO_SIGN_REQUEST, NO_VERIFY_SSL, REQUEST_PAYER])


@dataclass(frozen=True)
class Remark:
    """One sentence about one argument."""

    index: int
    message: str
    severity: Severity = Severity.ERROR


@dataclass
class SyncArguments:
    """The arguments, translated."""

    filters: list[dict[str, str]] = field(default_factory=list)
    """``exclude`` and ``include`` patterns in the order given; the last that matches a file decides."""
    anonymous: bool = False
    """Whether requests go unsigned."""
    connection: dict[str, str | bool] = field(default_factory=dict)
    """Settings of the S3 client, by their names in the engine's contract."""
    remarks: list[Remark] = field(default_factory=list)
    """What is refused, and what has no effect."""


def parse_sync_arguments(arguments: Sequence[str]) -> SyncArguments:
    """Translate the arguments; what cannot be is among the remarks.

    >>> parse_sync_arguments(["--no-sign-request", "--exclude", "*.bin", "--region=eu-west-1"]).connection
    {'region': 'eu-west-1'}
    """
    parsed = SyncArguments()
    rest = list(enumerate(arguments))
    while rest:
        index, argument = rest.pop(0)
        option, equals, value = argument.partition("=")
        if not _takes_value(option):
            _apply(parsed, index, argument, "")
            continue
        if not equals and rest and not rest[0][1].startswith("--"):
            value = rest.pop(0)[1]
        if value:
            _apply(parsed, index, option, value)
        else:
            parsed.remarks.append(Remark(index, f"{option} needs a value"))
    return parsed


def _takes_value(option: str) -> bool:
    return (
        option in FILTERS or option in SETTINGS or option == REQUEST_PAYER or INEFFECTIVE.get(option, 0) > 0
    )


def _apply(parsed: SyncArguments, index: int, option: str, value: str) -> None:
    if option in FILTERS:
        parsed.filters.append({FILTERS[option]: value})
    elif option in SETTINGS:
        parsed.connection[SETTINGS[option]] = value
    elif option == REQUEST_PAYER and value == "requester":
        parsed.connection["request_payer"] = value
    elif option == REQUEST_PAYER:
        parsed.remarks.append(Remark(index, f"{option} is {value!r}; it can only be requester"))
    elif option == NO_SIGN_REQUEST:
        parsed.anonymous = True
    elif option == NO_VERIFY_SSL:
        parsed.connection["verify_tls"] = False
    elif option in INEFFECTIVE:
        parsed.remarks.append(Remark(index, f"{option} has no effect here: leave it out", Severity.WARNING))
    else:
        parsed.remarks.append(Remark(index, _refusal(option)))


def _refusal(argument: str) -> str:
    sentence = f"{argument!r} is not supported; the download carries out {', '.join(_CARRIED_OUT)}"
    option = argument.split(maxsplit=1)[0] if argument.strip() else ""
    if " " in argument and (_takes_value(option) or option == NO_SIGN_REQUEST):
        sentence = f"{argument!r} is one argument; write the option and its value as two entries of the list"
    return sentence
