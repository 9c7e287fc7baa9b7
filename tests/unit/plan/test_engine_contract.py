"""Whatever the operator accepts, the engine's package accepts too: nothing fails only when it is deployed."""

from hypothesis import given

from rayllm_engine.settings import Settings, parse_settings
from tests.strategies.documents import Document
from tests.strategies.planned import planned
from tests.strategies.specs import specs


@given(specs())
def test_the_engine_reads_the_section_of_any_valid_spec(spec: Document) -> None:
    assert isinstance(parse_settings(planned(spec).application.llm_config["experimental_configs"]), Settings)
