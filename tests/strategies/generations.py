"""``engine_config.generation``, valid."""

from hypothesis import strategies as st

from tests.strategies.documents import MAPPINGS, WORDS, Document

_LITERALS = WORDS.map(lambda text: text.replace("{", "{{").replace("}", "}}"))


@st.composite
def prompt_formats(draw: st.DrawFn) -> Document:
    """Draw a prompt format; prompts are compared in a test of their own."""
    in_user = draw(st.sampled_from([None, False, True]))
    system = "{system}" if in_user else ""
    return {
        "system": draw(_LITERALS) + "{instruction}" + draw(_LITERALS),
        "assistant": draw(_LITERALS) + "{instruction}",
        "user": draw(_LITERALS) + system + "{instruction}" + draw(_LITERALS),
        "system_in_user": in_user,
        **draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "trailing_assistant": st.none() | WORDS,
                    "default_system_message": st.none() | WORDS,
                    "add_system_tags_even_if_message_is_empty": st.none() | st.booleans(),
                    "strip_whitespace": st.none() | st.booleans(),
                },
            )
        ),
    }


_STOP_TEXTS = WORDS.filter(bool)
_STOP_IDS = st.integers(0, 100_000)

generations = st.fixed_dictionaries(
    {},
    optional={
        "prompt_format": st.sampled_from([None, "disabled"]) | prompt_formats(),
        "generate_kwargs": st.none() | MAPPINGS,
        "stopping_sequences": st.none()
        | st.lists(_STOP_TEXTS | _STOP_IDS | st.lists(_STOP_IDS, min_size=1, max_size=3), max_size=3),
    },
)
