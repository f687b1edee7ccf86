"""What a command prints: one JSON document or JSON lines with --json, tables and sentences otherwise.

Answers go to stdout, everything else (progress, notes, errors) to stderr.
"""

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from oms.errors import OmsError
from oms.values import plain

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]

DECIMALS_SHOWN: Final = 12  # to people; JSON has every digit
WIDE: Final = 1_000  # columns of what is no terminal: nothing is cut there

REFUSED: Final = 1
USAGE: Final = 2


class Output:
    """Where one command's answers go."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
        self.err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDE)

    def document(self, value: object) -> None:
        """Print `value` as one line of JSON, every decimal as a plain numeral: no exponent, no digit lost."""
        self.write(msgspec.json.encode(_plainly(msgspec.to_builtins(value, builtin_types=(Decimal,)))))

    def write(self, document: bytes) -> None:
        """Print one line of JSON that is encoded already."""
        sys.stdout.buffer.write(document + b"\n")
        sys.stdout.buffer.flush()

    def say(self, text: str) -> None:
        """Print a sentence of the answer, for people only."""
        if not self.as_json:
            self.out.print(text, markup=False)

    def note(self, text: str) -> None:
        """Print a remark beside the answer."""
        self.err.print(text, markup=False, style="dim")

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
        """Print a table, or the sentence `empty` where there is nothing to show."""
        if not rows:
            self.say(empty)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            right = all(isinstance(row[number], int | Decimal | None) for row in rows)
            table.add_column(column, justify="right" if right else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(cell(value) for value in row))
        self.out.print(table)


def _plainly(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    match value:
        case Decimal():
            return plain(value)
        case dict():
            return {name: _plainly(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plainly(inner) for inner in value]
        case _:
            return value


def short(value: Decimal) -> str:
    """Spell a decimal for people: without trailing zeros, rounded to DECIMALS_SHOWN decimals."""
    return plain(round(value, DECIMALS_SHOWN).normalize() + 0)  # a zero has no sign


def failure(error: OmsError) -> dict[str, object]:
    """Return an error as the JSON that every failing command prints."""
    return {
        "error": {
            "code": error.code,
            "cause": error.cause,
            "outcome": error.outcome,
            "next_step": error.advice,
        }
    }


def complain(error: OmsError, *, as_json: bool) -> None:
    """Tell a person, or a program, what went wrong, what came of it and what to do."""
    output = Output(as_json=as_json)
    if as_json:
        output.document(failure(error))
        return
    output.err.print(f"error: {' '.join(error.cause.split())}", markup=False, style="red")
    output.err.print(f"outcome: {OUTCOMES[error.outcome]}", markup=False)
    output.err.print(f"next: {error.advice or 'see the cause'}", markup=False)


OUTCOMES: Final = {
    "none": "none; nothing was done",
    "recorded": "recorded; the log has it",
    "unknown": "unknown; it may have happened",
}


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    match value:
        case None:
            return ""
        case Decimal():
            return short(value)
        case _:
            return str(value)
