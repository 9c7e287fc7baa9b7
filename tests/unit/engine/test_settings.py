"""The contract's section: what it may hold and how it is refused."""

from typing import Any

import pytest

from rayllm_engine.settings import InvalidSettingsError, Settings, parse_settings

FIRST_STOP = r"stopping_sequences\[0\]: expected a text, a token id or a list of them"


def parse(**section: Any) -> Settings:
    """Return the settings of a version 1 section with these keys."""
    return parse_settings({"rayllm": {"version": 1, **section}})


def test_every_key_is_read() -> None:
    settings = parse(
        stopping_sequences=["### End", 2, [3, 4], [5, "a", 6]],
        generate_kwargs={"temperature": 0.4},
        bos="<s>",
        add_special_tokens=True,
        chat=False,
    )
    assert settings.stopping_sequences == ("### End", 2, (3, 4), (5, "a", 6))
    assert settings.encoded_texts == [(3, 4), (5,), (6,)]
    assert settings.bos == "<s>"
    assert settings.generate_kwargs == {"temperature": 0.4}
    assert settings.add_special_tokens is True
    assert settings.chat is False


def test_a_model_without_the_section_is_served_as_ray_would() -> None:
    assert parse_settings({"stream_batching_interval_ms": 0}) == Settings(version=1)


def test_null_is_the_same_as_absent() -> None:
    assert parse(stopping_sequences=None, generate_kwargs=None, add_special_tokens=None, chat=None) == parse()


def test_null_is_the_same_as_absent_in_the_mirror_too() -> None:
    mirror = {"model": "org/m", "uri": "s3://bucket/m", "s3": {"region": "x"}}
    nulls = {"anonymous": None, "filters": None, "credentials": None}
    section = {**mirror, **nulls, "s3": {"region": "x", "verify_tls": None}}
    assert parse(mirror=section) == parse(mirror=mirror)


def test_a_number_in_quotes_is_text() -> None:
    assert parse(stopping_sequences=["2"]).stopping_sequences == ("2",)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        pytest.param(
            {"version": 1, "stop": ["x"]},
            "experimental_configs.rayllm.stop: unknown key; version 1 knows add_special_tokens, bos,"
            " chat, generate_kwargs, mirror, stopping_sequences, version",
            id="unknown key",
        ),
        pytest.param({"chat": True}, "experimental_configs.rayllm.version: required", id="no version"),
        pytest.param({"version": 2}, "speaks version 1, got 2", id="later version"),
        pytest.param(["### End"], r"rayllm: expected a mapping, got \['### End'\]", id="list"),
        pytest.param(
            {"version": 1, "stopping_sequences": ["a", 1.5]},
            r"rayllm.stopping_sequences\[1\]: expected .* got 1.5",
            id="a stop of a wrong type",
        ),
        pytest.param({"version": 1, "stopping_sequences": [True]}, FIRST_STOP, id="boolean stop"),
        pytest.param({"version": 1, "stopping_sequences": [""]}, FIRST_STOP, id="empty stop"),
        pytest.param({"version": 1, "stopping_sequences": [-1]}, FIRST_STOP, id="negative id"),
        pytest.param({"version": 1, "stopping_sequences": [[]]}, FIRST_STOP, id="no ids"),
        pytest.param({"version": 1, "stopping_sequences": [[2, ""]]}, FIRST_STOP, id="empty text in a list"),
        pytest.param(
            {"version": 1, "stopping_sequences": "x"}, "stopping_sequences: .* got 'x'", id="no list"
        ),
        pytest.param(
            {"version": 1, "mirror": {"model": "org/m", "s3": {"zone": "x"}}},
            "rayllm.mirror.s3.zone: .* got 'x'",
            id="unknown key of the mirror",
        ),
        pytest.param(
            {"version": 1, "mirror": {"model": "../m"}}, r"rayllm.mirror.model: .* got '\.\./m'", id="no id"
        ),
        pytest.param({"version": 1, "chat": "yes"}, "chat: .* got 'yes'", id="boolean in words"),
    ],
)
def test_a_bad_section_is_refused_by_the_name_of_the_key(section: Any, message: str) -> None:
    with pytest.raises(InvalidSettingsError, match=message):
        parse_settings({"rayllm": section})


def test_every_key_at_fault_is_named_once() -> None:
    with pytest.raises(InvalidSettingsError) as refused:
        parse(stopping_sequences=[1.5], chta=True)
    assert str(refused.value).count("experimental_configs.rayllm.") == 2
