"""Why a model does not go on: one sentence, one remedy."""

from dataclasses import dataclass

from rayllm_operator.api.conditions import Reason

AT_ONCE = 0.0
"""``stalls_after_seconds`` of what only an edit of the model heals."""

LATE_SECONDS = 300.0
"""How long what the model needs from others, such as a Secret, may arrive late before the model stalls."""


@dataclass(frozen=True)
class Cause:
    """The root of a failure or of a wait, as a condition says it."""

    reason: Reason
    """One word of the closed list."""
    message: str
    """What was seen, one sentence, with the source's own words."""
    remedy: str = ""
    """What to do, one sentence; empty where waiting is all there is to do."""
    since: str = ""
    """Since when, RFC 3339; empty where the source does not say."""
    stalls_after_seconds: float | None = None
    """How long after ``since`` the model stalls; None: never, it heals by itself or by others."""

    def __str__(self) -> str:
        """Return message and remedy as a condition's text."""
        return " ".join(sentence(part) for part in (self.message, self.remedy) if part)


def sentence(words: str) -> str:
    """Return words as a sentence: a full stop behind, and a capital in front of what is no name or key."""
    text = words.strip().rstrip(".;:, ")
    first = text.partition(" ")[0]
    if first.isalpha() and first.islower():
        text = f"{text[0].upper()}{text[1:]}"
    return f"{text}." if text else ""
