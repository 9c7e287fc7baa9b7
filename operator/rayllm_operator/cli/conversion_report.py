"""Prints the report of a conversion on standard error: a table on a terminal, plain lines in a pipe."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rayllm_operator.convert.notes import Kind, Note

_STYLES = {
    Kind.ERROR: "bold red",
    Kind.ACTION: "bold yellow",
    Kind.DIFFERS: "yellow",
    Kind.WARNING: "yellow",
}
_COUNTED = {
    Kind.ERROR: ("error", "errors"),
    Kind.ACTION: ("thing to do", "things to do"),
    Kind.DIFFERS: ("difference", "differences"),
    Kind.COMMENTED: ("key not converted", "keys not converted"),
    Kind.WARNING: ("warning", "warnings"),
}


def print_notes(notes: Sequence[Note], console: Console) -> None:
    """Print notes, which are in the order of their files."""
    if not console.is_terminal:
        for note in notes:
            console.print(str(note), markup=False, highlight=False, soft_wrap=True)
        return
    for source, group in groupby(notes, key=lambda note: note.source):
        table = Table(title=Text(source), title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.add_column("line", justify="right")
        table.add_column("")
        table.add_column("key", overflow="fold")
        table.add_column("what", overflow="fold", ratio=1)
        for note in group:
            kind = Text(note.kind, style=_STYLES.get(note.kind, ""))
            table.add_row(str(note.line), kind, Text(note.key), Text(note.message))
        console.print(table)
        console.print()


def summary(converted: int, refused: int, notes: Sequence[Note]) -> str:
    """Return the closing line."""
    counts = Counter(note.kind for note in notes)
    parts = [f"{counts[kind]} {names[counts[kind] != 1]}" for kind, names in _COUNTED.items() if counts[kind]]
    models = f"{converted} {'model' if converted == 1 else 'models'} converted"
    refusals = f", {refused} refused" if refused else ""
    return f"{models}{refusals}: {', '.join(parts) or 'nothing to note'}"
