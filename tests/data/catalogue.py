"""The catalogue of failures: what the operator says of each that was recorded from real parts."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rayllm_operator.api.conditions import Reason
from rayllm_operator.controller.causes.engine import serve_cause
from tests.data.pod_failures import CASES
from tests.unit.controller.broken import broken
from tests.unit.controller.world import condition

ENGINE_FAILURES = Path(__file__).with_name("engine_failures.yaml")
"""Last lines of failed starts of real engines, which tests/e2e/test_failures.py records."""


def messages() -> Mapping[Reason, list[str]]:
    """Return the messages of every recorded failure, by reason."""
    found: dict[Reason, list[str]] = defaultdict(list)
    for case in CASES:
        ready = condition(broken(case).reconcile(), "Ready")
        found[Reason(ready["reason"])].append(ready["message"])
    lines: dict[str, Any] = yaml.safe_load(ENGINE_FAILURES.read_text())
    for line in lines.values():
        cause = serve_cause(line)
        if cause is not None and str(cause) not in found[cause.reason]:
            found[cause.reason].append(str(cause))
    return found
