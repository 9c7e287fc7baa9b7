"""Of random models: what is converted means what was written, and the way out and back changes nothing.

The number of cases is that of the hypothesis profile.
"""

import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.api.configuration import OperatorConfiguration
from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.api.validation import parse_model
from rayllm_operator.cli.documents import Document
from rayllm_operator.cli.objects import Model, Place
from rayllm_operator.cli.planning import plan_of
from rayllm_operator.convert.manifest import Conversion
from rayllm_operator.convert.notes import Kind
from rayllm_operator.plan import ModelPlan
from rayllm_operator.render import plain_llm_config, to_yaml
from tests.unit.convert.calls import convert, convert_back, said, spec_of

Pair = tuple[Any, Any]
"""What a file holds, and what RayLLM read."""

SPELLINGS = (
    "y",
    "n",
    "on",
    "No",
    "1e-4",
    "1e5",
    "010",
    "0o10",
    "12:30",
    "1_000",
    "2023-10-02",
    "~",
    "",
    "0x1F",
)
"""Scalars of which PyYAML and kubectl think differently, some of them."""

TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x85\u2028\u2029"), max_size=12
)
NAME = st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True)
FREE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e6, 1e6)
    | TEXT
    | st.sampled_from(SPELLINGS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)


def same(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Pair]:
    """Return values that RayLLM read as they are written."""
    return values.map(lambda value: (value, value))


def counts(lowest: int, highest: int) -> st.SearchStrategy[Pair]:
    """Return whole numbers, in every type that RayLLM took for one."""
    return st.integers(lowest, highest).flatmap(
        lambda number: st.sampled_from([number, float(number), number + 0.5, str(number)]).map(
            lambda written: (written, number)
        )
    )


def numbers(*values: float) -> st.SearchStrategy[Pair]:
    """Return numbers, in every type that RayLLM took for one."""
    return st.sampled_from(values).flatmap(
        lambda number: st.sampled_from([number, str(number)]).map(lambda written: (written, number))
    )


def switches() -> st.SearchStrategy[Pair]:
    """Return truths, in every type that RayLLM took for one."""
    true = st.sampled_from([True, "true", "Yes", "on", 1, "t"]).map(lambda written: (written, True))
    return true | st.sampled_from([False, "False", "no", "off", 0, "n"]).map(lambda written: (written, False))


def section(
    required: dict[str, st.SearchStrategy[Pair]], **optional: st.SearchStrategy[Pair]
) -> st.SearchStrategy[Pair]:
    """Return a mapping of pairs as a pair of mappings."""
    return st.fixed_dictionaries(required, optional=optional).map(
        lambda pairs: (
            {key: pair[0] for key, pair in pairs.items()},
            {key: pair[1] for key, pair in pairs.items()},
        )
    )


AUTOSCALING = section(
    {"max_replicas": counts(2, 9)},
    min_replicas=counts(0, 2),
    target_num_ongoing_requests_per_replica=numbers(0.5, 24.0),
    metrics_interval_s=numbers(10.0, 5.0),
    smoothing_factor=numbers(0.6),
    downscale_delay_s=numbers(300.0),
    upscale_delay_s=counts(0, 90)
    .map(lambda pair: (pair[0], pair[0]))
    .filter(lambda pair: not isinstance(pair[0], str)),
)
TEMPLATE = same(
    st.tuples(TEXT, TEXT).map(
        lambda parts: "{instruction}".join(part.replace("{", "{{").replace("}", "}}") for part in parts)
    )
)
FORMAT = section(
    {"system": TEMPLATE, "user": TEMPLATE, "assistant": TEMPLATE, "trailing_assistant": same(TEXT)},
    default_system_message=same(TEXT),
    strip_whitespace=switches(),
)
STOP = st.integers(0, 9) | TEXT.filter(bool) | st.lists(st.integers(0, 9), min_size=1, max_size=2)
GENERATION = section(
    {"prompt_format": FORMAT | st.just((None, "disabled")) | st.just(({}, "disabled"))},
    stopping_sequences=same(st.lists(STOP, max_size=2)),
    generate_kwargs=same(
        st.fixed_dictionaries(
            {},
            optional={
                "temperature": st.sampled_from([0.0, 0.4]),
                "top_k": st.integers(1, 5),
                "max_tokens": st.just(7),
                "do_sample": st.booleans(),
            },
        )
    ),
)
ENGINE = section(
    {"model_id": same(st.just("org/model-1.5")), "generation": GENERATION},
    type=same(st.sampled_from(["VLLMEngine", "EmbeddingEngine"])),
    hf_model_id=same(st.sampled_from(["org/other", "/models/own"])),
    tokenizer_id=same(st.just("org/tokenizer")),
    max_total_tokens=counts(64, 4096),
    engine_kwargs=same(
        st.fixed_dictionaries(
            {},
            optional={
                "trust_remote_code": st.booleans(),
                "seed": st.none() | st.integers(0, 5),
                "dtype": st.sampled_from(["auto", "half"]),
                "hf_overrides": st.dictionaries(NAME, FREE, max_size=2),
            },
        )
    ),
    runtime_env=same(st.dictionaries(st.sampled_from(["pip", "working_dir"]), FREE, max_size=2)),
    s3_mirror_config=section(
        {"bucket_uri": same(st.just("s3://bucket/model"))},
        extra_files=same(
            st.lists(st.just({"bucket_uri": "s3://bucket/more", "destination_path": "/more"}), max_size=1)
        ),
        s3_sync_args=same(st.sampled_from([[], ["--no-sign-request"]])),
    ),
)
REGISTRY = section(
    {
        "deployment_config": section(
            {
                "ray_actor_options": section(
                    {},
                    num_cpus=same(st.sampled_from([0, 1, 2.5])),
                    resources=same(st.just({"accelerator_type_cpu": 0.01})),
                )
            },
            autoscaling_config=AUTOSCALING,
            max_concurrent_queries=counts(1, 99),
        ),
        "engine_config": ENGINE,
        "scaling_config": section(
            {"num_workers": counts(1, 4)},
            num_gpus_per_worker=numbers(0.0, 1.0),
            num_cpus_per_worker=numbers(1.0, 8.0),
            placement_strategy=same(st.sampled_from(["PACK", "STRICT_PACK"])),
            resources_per_worker=st.sampled_from(
                [({"accelerator_type_a10": "0.01"}, {"accelerator_type_a10": 0.01})]
            ),
        ),
    },
    enabled=st.just((True, True)),
)


def text_of(data: Any, *, flow: bool) -> str:
    """Return YAML whose plain scalars are PyYAML's choice, which is not kubectl's."""
    return yaml.safe_dump(data, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=1000)


def checked(conversion: Conversion) -> LLMModelSpec:
    """Return the model of a manifest."""
    assert not said(conversion, Kind.ERROR)
    spec, findings = parse_model(spec_of(conversion))
    assert spec is not None, findings
    return spec


def planned(spec: LLMModelSpec) -> ModelPlan:
    """Return the plan of a model on a pool that offers what it asks for."""
    place = Place(Document("model.yaml", {}, {(): 1}))
    result = plan_of(Model("model", None, spec, "", place, place), None, OperatorConfiguration(), "default")
    assert result.plan is not None, result.findings
    return result.plan


def as_json(value: Any) -> str:
    """Return JSON in which 1 and 1.0 look alike, as they do to Kubernetes."""
    return json.dumps(
        json.loads(
            json.dumps(value),
            parse_float=lambda text: int(float(text)) if float(text).is_integer() else float(text),
        ),
        sort_keys=True,
    )


@given(REGISTRY, st.booleans())
def test_a_manifest_means_what_rayllm_read(pair: Pair, flow: bool) -> None:
    written, meant = pair
    expected, findings = parse_model(meant)
    assert expected is not None, findings
    assert checked(convert(text_of(written, flow=flow))) == expected


@given(st.dictionaries(NAME, FREE | st.sampled_from(SPELLINGS), min_size=1), st.booleans())
def test_a_free_mapping_holds_what_pyyaml_read(kwargs: dict[str, Any], flow: bool) -> None:
    text = text_of({"engine_config": {"model_id": "a", "engine_kwargs": kwargs}}, flow=flow)
    read = yaml.safe_load(text)["engine_config"]["engine_kwargs"]
    seen = spec_of(convert(text))["engine_config"].get("engine_kwargs", {})
    assert as_json(seen) == as_json(read)


@given(st.sampled_from(SPELLINGS))
def test_a_plain_scalar_holds_what_pyyaml_read(spelling: str) -> None:
    text = f"engine_config:\n  model_id: a\n  engine_kwargs:\n    key: {spelling}\n    list:\n    - {spelling}\n    - 1\n"
    read = yaml.safe_load(text)["engine_config"]["engine_kwargs"]
    seen = spec_of(convert(text))["engine_config"]["engine_kwargs"]
    # A date is none of JSON's values; as text it is what was written.
    assert as_json(seen) == json.dumps(read, sort_keys=True, default=str)


@given(REGISTRY)
def test_what_was_converted_is_converted_to_itself(pair: Pair) -> None:
    once = convert(text_of(pair[0], flow=False))
    again = convert(once.spec_text)
    assert again.spec_text == once.spec_text
    assert not said(again, Kind.REWRITTEN, Kind.RENAMED, Kind.COMMENTED)


@given(REGISTRY)
def test_the_way_out_and_back_changes_nothing_any_more(pair: Pair) -> None:
    spec = checked(convert(text_of(pair[0], flow=False)))
    out = plain_llm_config(planned(spec), spec)
    back = convert_back(to_yaml(out))
    assert not said(back), said(back)
    returned = checked(back)
    out_again = plain_llm_config(planned(returned), returned)
    assert as_json(out_again) == as_json(out)
    assert as_json(spec_of(convert_back(to_yaml(out_again)))) == as_json(spec_of(back))
