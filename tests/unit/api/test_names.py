"""Names of LLMModels that stand for model ids and registry files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayllm_operator.api.names import model_name, model_name_of_file
from rayllm_operator.api.validation import validate_model_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("models/mosaicml--mpt-7b-instruct.yaml", "mosaicml--mpt-7b-instruct"),
        ("meta-llama--Llama-2-7b-chat-hf.yaml", "meta-llama--llama-2-7b-chat-hf"),
        ("org--model_v1.5.yml", "org--model-v1-5"),
        ("01-ai--Yi-34B.json", "m-01-ai--yi-34b"),
        ("no-suffix", "no-suffix"),
    ],
)
def test_a_registry_file_names_its_model(file: str, name: str) -> None:
    assert model_name_of_file(file) == name


def test_the_slash_of_a_model_id_becomes_two_dashes() -> None:
    assert model_name("mosaicml/mpt-7b-instruct") == "mosaicml--mpt-7b-instruct"


def test_a_long_name_is_cut_and_told_apart_by_a_hash() -> None:
    one, other = model_name("organization/" + "x" * 60), model_name("organization/" + "x" * 61)
    assert len(one) == len(other) == 47
    assert one[:41] == other[:41]
    assert one != other


@pytest.mark.parametrize("text", ["", "--", "...", "模型"])
def test_a_text_without_letters_or_digits_gives_no_name(text: str) -> None:
    with pytest.raises(ValueError, match="no letter or digit"):
        model_name(text)


@given(st.text())
def test_every_other_text_gives_a_valid_name(text: str) -> None:
    try:
        name = model_name(text)
    except ValueError:
        return
    assert validate_model_name(name) == []
    assert model_name(text) == name
