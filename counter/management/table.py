"""Tables for a terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

WIDTH = 100
"""Characters, whatever the terminal has: the same text in a file and on a screen."""


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None) -> str:
    """The rows under their columns; numbers, which begin with a digit in the first row, to the right."""
    shown = [list(row) for row in rows]
    made = Table(title=title, box=None, pad_edge=False)
    for number, name in enumerate(columns):
        is_number = bool(shown) and shown[0][number][:1].isdigit()
        made.add_column(name, justify="right" if is_number else "left")
    for row in shown:
        made.add_row(*row)
    console = Console(width=WIDTH)
    with console.capture() as capture:
        console.print(made)
    return capture.get().rstrip()
