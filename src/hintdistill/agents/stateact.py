"""StateAct (Rozanov & Rei 2025): each turn restates what the agent knows, thinks, and acts."""

from typing import Literal, Self, get_args

from pydantic import model_validator

from hintdistill.agents.episode.examples import Examples, ProtocolParams
from hintdistill.agents.episode.protocol import ParsedTurn
from hintdistill.core.records import Message
from hintdistill.environments.common.prompts import render_prompt
from hintdistill.environments.common.protocol import Belief

Field = Literal[
    "goal", "locations_visited", "current_location", "current_inventory", "thought", "action"
]
FIELDS = list(get_args(Field))
_ACTION = "action:"


class StateActParams(ProtocolParams):
    """The fields of a turn, in their order; the last one is the action."""

    fields: list[Field]

    @model_validator(mode="after")
    def _ends_in_the_action(self) -> Self:
        if self.fields.count("action") != 1 or self.fields[-1] != "action":
            raise ValueError("the last of the fields must be action, and no other")
        if self.fields != [field for field in FIELDS if field in self.fields]:
            raise ValueError(f"each field once at most, in the order {', '.join(FIELDS)}")
        return self


class StateActAgent:
    """The protocol for one environment: its system prompt, and how a turn is read."""

    name = "stateact"
    thought_answer = ""  # no turn is a thought alone
    Params = StateActParams

    def __init__(self, env: str, params: StateActParams) -> None:
        self._template, self._fields = f"{env}/{self.name}/system.j2", params.fields
        self._examples = Examples(self.name, env, params.examples)
        fields = ", ".join(f'"{field}: ..."' for field in params.fields)
        self.malformed_answer = f"Invalid turn. Write these lines and nothing else: {fields}."

    def system_prompt(self, hints: list[str], task_type: str) -> str:
        """Instructions, examples of the task's type, and the hint block where there are hints."""
        games = self._examples.of_type(task_type)
        examples = [[self._shown(message) for message in game] for game in games]
        return render_prompt(self._template, fields=self._fields, examples=examples, hints=hints)

    def _shown(self, message: Message) -> Message:
        """An example's message without the fields that are not asked for."""
        if message.role != "assistant":
            return message
        lines = message.content.splitlines()
        kept = [line for line in lines if line.split(":")[0] in self._fields]
        return message.model_copy(update={"content": "\n".join(kept)})

    def parse(self, text: str, *, complete: bool) -> ParsedTurn:
        """Read one turn. Malformed: cut off, or its last line is not its only action.

        Other lines are the model's own notes: a field left out or misspelt costs no step.
        """
        lines = text.strip().splitlines()
        actions = [line for line in lines if line.strip().lower().startswith(_ACTION)]
        well_formed = complete and len(actions) == 1 and lines[-1] == actions[0]
        action = actions[0].strip()[len(_ACTION) :].strip() if well_formed else ""
        return ParsedTurn("action" if action else "malformed", action)

    def turns(self, thought: str, action: str, belief: Belief) -> list[str]:
        """One turn: the fields that are asked for."""
        values = {
            "goal": belief.goal,
            "locations_visited": ", ".join(belief.visited) or "none",
            "current_location": belief.here,
            "current_inventory": belief.held or "nothing",
            "thought": thought or belief.intent,
            "action": action,
        }
        return ["\n".join(f"{field}: {values[field]}" for field in self._fields)]


AGENT = StateActAgent
