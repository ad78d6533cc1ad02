"""ReAct (Yao et al. 2023): one line a turn, a thought or an action; a thought is answered `OK.`"""

import re
from typing import Literal, NamedTuple

from hintdistill.agents.prompts import render_prompt

THOUGHT_ANSWER = "OK."
MALFORMED_ANSWER = "Invalid turn. Write one line: 'think: ...', or one command."
_THOUGHT = re.compile(r"think:\s*(\S.*)", re.IGNORECASE)


class ParsedTurn(NamedTuple):
    """What a turn of text is: a thought, an action, or neither."""

    kind: Literal["thought", "action", "malformed"]
    text: str  # of the thought or the action; empty where malformed


class ReactAgent:
    """The protocol for one environment: its system prompt, and how a turn is read."""

    name = "react"

    def __init__(self, env: str) -> None:
        self._template = f"{self.name}_{env}_system.j2"

    def system_prompt(self, hints: list[str]) -> str:
        """Instructions, and the hint block where there are hints."""
        return render_prompt(self._template, hints=hints)

    def parse(self, text: str, *, complete: bool) -> ParsedTurn:
        """Read one turn. Malformed: no text, several lines, an empty thought, or cut off."""
        line = text.strip()
        if not complete or not line or len(line.splitlines()) > 1:
            return ParsedTurn("malformed", "")
        if line.lower().startswith("think:"):
            thought = _THOUGHT.fullmatch(line)
            return ParsedTurn("thought", thought[1]) if thought else ParsedTurn("malformed", "")
        return ParsedTurn("action", line.removeprefix(">").strip() or line)

    def thought(self, text: str) -> str:
        """A thought as this protocol writes it; for demonstrations."""
        return f"think: {text}"
