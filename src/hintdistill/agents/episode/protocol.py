"""The protocol of an agent: it instructs the model, reads its turns, and answers them."""

from typing import Literal, NamedTuple, Protocol

from hintdistill.environments.common.protocol import Belief


class ParsedTurn(NamedTuple):
    """A turn of text as an agent reads it: a thought, an action, or neither."""

    kind: Literal["thought", "action", "malformed"]
    text: str  # of the thought or the action; empty where malformed


class Agent(Protocol):
    """A prompting protocol for one environment."""

    name: str
    thought_answer: str  # what a turn without an action is answered
    malformed_answer: str

    def system_prompt(self, hints: list[str], task_type: str) -> str:
        """Instructions, examples of the task's type, and the hint block where there are hints."""
        ...

    def parse(self, text: str, *, complete: bool) -> ParsedTurn:
        """Read one turn; `complete` is False where the token limit cut it off."""
        ...

    def turns(self, thought: str, action: str, belief: Belief) -> list[str]:
        """The turns that think and then act, as this protocol writes them; for demonstrations.

        The last one acts. `thought` is empty where there is nothing new to think.
        """
        ...
