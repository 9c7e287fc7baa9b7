"""Pure decisions over a model, the pools, the configuration and what runs now."""

from rayllm_operator.plan.model_plan import (
    ConsideredPool,
    Intent,
    ModelPlan,
    PlanRequest,
    PlanResult,
    Pool,
    Running,
)
from rayllm_operator.plan.planner import plan_model

__all__ = [
    "ConsideredPool",
    "Intent",
    "ModelPlan",
    "PlanRequest",
    "PlanResult",
    "Pool",
    "Running",
    "plan_model",
]
