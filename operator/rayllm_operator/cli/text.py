"""Lines and words that several commands print."""

from rich.console import Console
from rich.text import Text


def say(console: Console, line: str | Text, style: str = "") -> None:
    """Print one line as it is: neither wrapped nor coloured by what stands in it."""
    text = Text(line, style=style) if isinstance(line, str) else line
    console.print(text, soft_wrap=True, highlight=False)


def plural(number: int, noun: str) -> str:
    """Return a number of things in words.

    >>> plural(1, "model"), plural(2, "model")
    ('1 model', '2 models')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
