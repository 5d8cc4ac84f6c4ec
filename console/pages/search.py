"""The id that somebody looks up on the page of a minute."""

from dataclasses import dataclass

from counter.accepting.accept_call import BadCall, parse_id, parse_text
from counter.ids import Id


@dataclass(frozen=True, slots=True)
class Search:
    """What was typed, and which id that is."""

    text: str
    id: Id | None = None
    problem: str = ""
    """Why it is none"""


def search(counter: str, text: str) -> Search:
    """As a call of the counter would take it."""
    text = text.strip()
    if not text:
        return Search(text)
    try:
        return Search(text, parse_text(text.encode()) if counter else parse_id(text.encode()))
    except BadCall as error:
        return Search(text, problem=str(error))
