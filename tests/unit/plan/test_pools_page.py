"""docs/pools.md: its pools are valid, and models are told what the page says they are told."""

import re
from typing import Any

import pytest
import yaml

from rayllm_operator.api.validation import parse_pool
from rayllm_operator.plan import Pool
from tests.harness.local_stack import CHECKOUT
from tests.unit.plan.planning import plan, sentences

PAGE = (CHECKOUT / "docs" / "pools.md").read_text()
ROWS = re.findall(
    r"^\| `(accelerator_type\w+): 0.01`(?:, ([^|]*))? \| (.*?)(?: \(a warning\))? \|$", PAGE, re.MULTILINE
)
CHANGES: dict[str, dict[str, Any]] = {
    "": {},
    "8 workers, `STRICT_PACK`": {"scaling_config": {"num_workers": 8, "placement_strategy": "STRICT_PACK"}},
    "48 CPUs for its worker": {"scaling_config": {"num_cpus_per_worker": 48}},
    "`max_replicas: 60`": {"deployment_config": {"autoscaling_config": {"max_replicas": 60}}},
}
"""What the page says of models, as keys of their specs."""


def pools_of_the_page() -> list[Pool]:
    found = []
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        for manifest in yaml.safe_load_all(block):
            spec, findings = parse_pool(manifest["spec"])
            assert spec is not None, findings
            found.append(Pool(manifest["metadata"]["name"], spec))
    return found


def test_the_page_has_a_row_for_each_change() -> None:
    assert {change for _, change, _ in ROWS} == CHANGES.keys()


@pytest.mark.parametrize(("resource", "change", "sentence"), ROWS)
def test_a_model_is_told_what_the_page_says(resource: str, change: str, sentence: str) -> None:
    spec = CHANGES[change]
    scaling = {"num_workers": 1, "resources_per_worker": {resource: 0.01}, **spec.get("scaling_config", {})}
    result = plan(*pools_of_the_page(), **{**spec, "scaling_config": scaling})
    told = [*sentences(result), *(pool.reason for pool in result.pools)]
    assert any(sentence in said for said in told), told
