"""``engine_config.generation``, valid."""

from typing import Any

from hypothesis import strategies as st

from rayllm_operator.api.generation import TEMPLATES, TOKENIZERS_OWN, GenerationConfig, PromptFormat
from tests.strategies.documents import MAPPINGS, WORDS, Document, documents

_LITERALS = WORDS.map(lambda text: text.replace("{", "{{").replace("}", "}}"))


@st.composite
def own_formats(draw: st.DrawFn) -> Document:
    """Draw a prompt format with templates; the prompts are compared in a test of their own."""
    in_user = draw(st.sampled_from([None, False, True]))
    system = "{system}" if in_user else ""
    further: Document = draw(
        documents(
            PromptFormat,
            {
                "trailing_assistant": WORDS,
                "bos": WORDS,
                "default_system_message": WORDS,
                "system_in_last_user": st.booleans() if in_user else st.just(False),
                "add_system_tags_even_if_message_is_empty": st.booleans(),
                "strip_whitespace": st.booleans(),
                TOKENIZERS_OWN: st.just(False),
                "vision": st.just(False),
            },
            without=[*TEMPLATES, "system_in_user"],
        )
    )
    return {
        **further,
        "system": draw(_LITERALS) + "{instruction}" + draw(_LITERALS),
        "assistant": draw(_LITERALS) + "{instruction}",
        "user": draw(_LITERALS) + system + "{instruction}" + draw(_LITERALS),
        "system_in_user": in_user,
    }


prompt_formats: st.SearchStrategy[Any] = (
    st.sampled_from([None, "disabled", {TOKENIZERS_OWN: True}]) | own_formats()
)

_STOP_TEXTS = WORDS.filter(bool)
_STOP_IDS = st.integers(0, 100_000)

generations = documents(
    GenerationConfig,
    {
        "prompt_format": prompt_formats,
        "generate_kwargs": MAPPINGS,
        "stopping_sequences": st.lists(
            _STOP_TEXTS | _STOP_IDS | st.lists(_STOP_TEXTS | _STOP_IDS, min_size=1, max_size=3), max_size=3
        ),
    },
)
