"""What can go wrong with a mirror."""


class MirrorError(Exception):
    """The model cannot be had from its mirror: which object, what the store said and what to do."""


class HubError(MirrorError):
    """The model cannot be had from the Hugging Face Hub.

    Parameters
    ----------
    sentence
        What the Hub said and what to do.
    model
        The model's id.
    reason
        Of the contract's list: `HubGated`, `HubNotFound`, `HubUnauthorized` or `HubUnreachable`.
    """

    def __init__(self, sentence: str, model: str, reason: str) -> None:
        super().__init__(sentence, model, reason)  # all of them, so that it can be pickled
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        """Return the sentence."""
        return str(self.args[0])


class TransientError(Exception):
    """A transfer broke off; the same request may succeed when it is sent again."""
