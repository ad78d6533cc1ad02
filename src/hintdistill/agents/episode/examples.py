"""In-context examples: own games of the demonstrator, for models that need to be shown."""

from collections import defaultdict
from pathlib import Path

from pydantic import NonNegativeInt

from hintdistill.core.errors import UserError
from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Example, Message
from hintdistill.core.settings import Settings
from hintdistill.environments.common.prompts import PROMPTS


class ProtocolParams(Settings):
    """The key that every agent has in `protocol` of its own params block."""

    examples: NonNegativeInt  # games of the task's type that the prompt shows


def examples_file(agent: str, env: str) -> Path:
    return PROMPTS / env / agent / "examples.jsonl"


class Examples:
    """So many games of each task type, from the file that `hintdistill examples` writes."""

    def __init__(self, agent: str, env: str, number: int) -> None:
        self._path, self._agent, self._number = examples_file(agent, env), agent, number
        self._by_type: dict[str, list[list[Message]]] = defaultdict(list)
        if number and not self._path.is_file():
            raise UserError(
                f"{self._path}: expected examples, found no file. Restore it with `git checkout`, "
                f"or make it: `hintdistill examples --env {env} --agent {agent}`."
            )
        for example in read_jsonl(self._path, Example) if number else ():
            self._by_type[example.type].append(example.messages)

    def of_type(self, task_type: str) -> list[list[Message]]:
        """The messages of that type's first games; a UserError where there are too few."""
        games = self._by_type.get(task_type, [])
        if len(games) < self._number:
            raise UserError(
                f"{self._path}: expected {self._number} examples of {task_type}, found "
                f"{len(games)}. Lower {self._agent}.protocol.examples in params.yaml."
            )
        return games[: self._number]
