"""ReAct (Yao et al. 2023): one line a turn, a thought or an action; a thought is answered `OK.`"""

from hintdistill.agents.episode.examples import Examples, ProtocolParams
from hintdistill.agents.episode.protocol import ParsedTurn
from hintdistill.environments.common.prompts import render_prompt
from hintdistill.environments.common.protocol import Belief

_THOUGHT = "think:"


class ReactAgent:
    """The protocol for one environment: its system prompt, and how a turn is read."""

    name = "react"
    thought_answer = "OK."
    malformed_answer = "Invalid turn. Write one line: 'think: ...', or one command."
    Params = ProtocolParams

    def __init__(self, env: str, params: ProtocolParams) -> None:
        self._template = f"{env}/{self.name}/system.j2"
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
        if line.lower().startswith(_THOUGHT):
            thought = line[len(_THOUGHT) :].strip()
            return ParsedTurn("thought" if thought else "malformed", thought)
        return ParsedTurn("action", line.removeprefix(">").strip() or line)

    def turns(self, thought: str, action: str, belief: Belief) -> list[str]:
        """The thought, where there is one, and then the action."""
        return [f"think: {thought}", action] if thought else [action]


AGENT = ReactAgent
