"""ReAct (Yao et al. 2023): one line a turn, a thought or an action; a thought is answered `OK.`"""

import re

from hintdistill.agents.agent import Belief, ParsedTurn
from hintdistill.agents.examples import Examples, ProtocolParams
from hintdistill.agents.prompts import render_prompt

_THOUGHT = re.compile(r"think:\s*(\S.*)", re.IGNORECASE)


class ReactAgent:
    """The protocol for one environment: its system prompt, and how a turn is read."""

    name = "react"
    thought_answer = "OK."
    malformed_answer = "Invalid turn. Write one line: 'think: ...', or one command."
    Params = ProtocolParams

    def __init__(self, env: str, params: ProtocolParams) -> None:
        self._template = f"{self.name}_{env}_system.j2"
        self._examples = Examples(self.name, env, params.examples)

    def system_prompt(self, hints: list[str], task_type: str) -> str:
        """Instructions, examples of the task's type, and the hint block where there are hints."""
        examples = self._examples.of_type(task_type)
        return render_prompt(self._template, examples=examples, hints=hints)

    def parse(self, text: str, *, complete: bool) -> ParsedTurn:
        """Read one turn. Malformed: no text, several lines, an empty thought, or cut off."""
        line = text.strip()
        if not complete or not line or len(line.splitlines()) > 1:
            return ParsedTurn("malformed", "")
        if line.lower().startswith("think:"):
            thought = _THOUGHT.fullmatch(line)
            return ParsedTurn("thought", thought[1]) if thought else ParsedTurn("malformed", "")
        return ParsedTurn("action", line.removeprefix(">").strip() or line)

    def turns(self, thought: str, action: str, belief: Belief) -> list[str]:
        """The thought, where there is one, and then the action."""
        return [f"think: {thought}", action] if thought else [action]
