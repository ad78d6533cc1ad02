"""What a prompting protocol is to the rest: how it instructs, reads a turn and answers it."""

from typing import Literal, NamedTuple, Protocol


class ParsedTurn(NamedTuple):
    """What a turn of text is: a thought, an action, or neither."""

    kind: Literal["thought", "action", "malformed"]
    text: str  # of the thought or the action; empty where malformed


class Agent(Protocol):
    """A prompting protocol for one environment."""

    name: str
    thought_answer: str  # what a turn without an action is answered
    malformed_answer: str

    def system_prompt(self, hints: list[str]) -> str:
        """Instructions, and the hint block where there are hints."""

    def parse(self, text: str, *, complete: bool) -> ParsedTurn:
        """Read one turn; `complete` is False where the token limit cut it off."""

    def thought(self, text: str) -> str:
        """A turn with that thought, as this protocol writes it; for demonstrations."""
