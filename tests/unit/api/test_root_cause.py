"""The sentence that a failure's text comes down to, in status and in `rayllm run`."""

import json

import pytest

from rayllm_engine.failures import VERSION, EngineFailedError, Failure
from rayllm_operator.api.root_cause import FAILURE_VERSION, root_cause


def test_what_the_engine_image_writes_is_read_as_its_sentence_and_what_to_do() -> None:
    failure = Failure("ContextTooLong", "max_total_tokens is 100000", "set it to 4096", {"longest": 4096})
    text = f"Traceback (most recent call last):\n  File x\nRuntimeError: {EngineFailedError(failure)}\n"
    assert root_cause(text) == "max_total_tokens is 100000; set it to 4096"
    assert VERSION == FAILURE_VERSION


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Traceback:\n  File x\nValueError: too small\n\n", "ValueError: too small"),
        ("", ""),
        ("[1, 2]", "[1, 2]"),
        (json.dumps({"rayllm_failure": 2, "message": "x"}), '{"rayllm_failure": 2, "message": "x"}'),
        (json.dumps({"rayllm_failure": 1, "message": "x"}), "x"),
    ],
)
def test_any_other_text_is_its_last_line(text: str, sentence: str) -> None:
    assert root_cause(text) == sentence
