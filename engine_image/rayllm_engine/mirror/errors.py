"""What can go wrong with a mirror."""


class MirrorError(Exception):
    """The model cannot be had from its mirror: which object, what the store said and what to do."""


class TransientError(Exception):
    """A transfer broke off; the same request may succeed when it is sent again."""
