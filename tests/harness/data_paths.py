"""What makes the operator choose each data path, with one replica that is there from the start."""

from collections.abc import Mapping
from typing import Any

from rayllm_operator.plan.data_path import DataPath

_NEVER = 3600.0
"""Seconds in which a model that may sleep does not."""

SCALING: Mapping[DataPath, Mapping[str, Any]] = {
    DataPath.DIRECT: {"min_replicas": 1},
    DataPath.ROUTED: {"min_replicas": 0, "initial_replicas": 1, "downscale_delay_s": _NEVER},
}
"""``autoscaling_config`` of a model on each path."""
