"""In-context examples: own games of the demonstrator, for models that need to be shown."""

from collections import defaultdict
from pathlib import Path

from pydantic import NonNegativeInt

from hintdistill.agents.prompts import PROMPTS
from hintdistill.errors import UserError
from hintdistill.records import Example, Message, read_jsonl
from hintdistill.settings import Settings


class ProtocolParams(Settings):
    """Of an agent's own params block, `protocol`: what its prompt has."""

    examples: NonNegativeInt  # games of the task's type that the prompt shows


def examples_file(agent: str, env: str) -> Path:
    return PROMPTS / f"{agent}_{env}_examples.jsonl"


class Examples:
    """A number of games of each task type; none of any where that is 0.

    They are in a file that `hintdistill examples` writes.

    Raises:
        UserError: the file is missing or broken; `of_type`: it has fewer of that type.
    """

    def __init__(self, agent: str, env: str, number: int) -> None:
        self._path, self._number = examples_file(agent, env), number
        self._setting = f"{agent}.protocol.examples"
        self._by_type: dict[str, list[list[Message]]] = defaultdict(list)
        if number and not self._path.is_file():
            raise UserError(
                f"{self._path}: expected examples, found no file. Restore it with `git checkout`, "
                f"or make it: `hintdistill examples --env {env} --agent {agent}`."
            )
        for example in read_jsonl(self._path, Example) if number else ():
            self._by_type[example.type].append(example.messages)

    def of_type(self, task_type: str) -> list[list[Message]]:
        """The messages of that type's first games."""
        games = self._by_type.get(task_type, [])
        if len(games) < self._number:
            raise UserError(
                f"{self._path}: expected {self._number} examples of {task_type}, found "
                f"{len(games)}. Lower {self._setting} in params.yaml."
            )
        return games[: self._number]
