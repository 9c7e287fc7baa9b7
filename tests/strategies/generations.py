"""``engine_config.generation``, valid."""

from hypothesis import strategies as st

from rayllm_operator.api.generation import TOKENIZERS_OWN
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
        "system_in_last_user": draw(st.none() | st.booleans()) if in_user else None,
        **draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "bos": st.none() | WORDS,
                    "trailing_assistant": st.none() | WORDS,
                    "default_system_message": st.none() | WORDS,
                    "add_system_tags_even_if_message_is_empty": st.none() | st.booleans(),
                    "strip_whitespace": st.none() | st.booleans(),
                },
            )
        ),
    }


_STOPS = WORDS.filter(bool) | st.integers(0, 100_000)

generations = st.fixed_dictionaries(
    {},
    optional={
        "prompt_format": st.sampled_from([None, "disabled", {TOKENIZERS_OWN: True}]) | prompt_formats(),
        "generate_kwargs": st.none() | MAPPINGS,
        "stopping_sequences": st.none()
        | st.lists(_STOPS | st.lists(_STOPS, min_size=1, max_size=3), max_size=3),
    },
)
