"""What a prompting protocol is to the rest: how it instructs, reads a turn and answers it."""

from typing import Literal, NamedTuple, Protocol


class ParsedTurn(NamedTuple):
    """What a turn of text is: a thought, an action, or neither."""

    kind: Literal["thought", "action", "malformed"]
    text: str  # of the thought or the action; empty where malformed


class Belief(NamedTuple):
    """What a scripted player knows of its own game; empty where there is nothing to say."""

    goal: str  # the task's sentence
    visited: tuple[str, ...]  # places, in the order of the first visits
    here: str
    held: str
    intent: str  # what it is about to do, in a sentence


class Agent(Protocol):
    """A prompting protocol for one environment."""

    name: str
    thought_answer: str  # what a turn without an action is answered
    malformed_answer: str

    def system_prompt(self, hints: list[str], task_type: str) -> str:
        """Instructions, examples of the task's type, and the hint block where there are hints."""

    def parse(self, text: str, *, complete: bool) -> ParsedTurn:
        """Read one turn; `complete` is False where the token limit cut it off."""

    def turns(self, thought: str, action: str, belief: Belief) -> list[str]:
        """The turns that think and then act, as this protocol writes them; for demonstrations.

        The last one acts. `thought` is empty where there is nothing new to think.
        """
