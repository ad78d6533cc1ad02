"""ReAct (Yao et al. 2023): one line a turn, a thought or an action; a thought is answered `OK.`"""

import re

from hintdistill.agents.agent import ParsedTurn
from hintdistill.agents.prompts import render_prompt

_THOUGHT = re.compile(r"think:\s*(\S.*)", re.IGNORECASE)


class ReactAgent:
    """The protocol for one environment: its system prompt, and how a turn is read."""

    name = "react"
    thought_answer = "OK."
    malformed_answer = "Invalid turn. Write one line: 'think: ...', or one command."

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
