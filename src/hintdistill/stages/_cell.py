"""A matrix cell: one environment and one agent, and where their files lie."""

import json
import os
from pathlib import Path
from typing import Any, Literal

import click
from pydantic import Field

from hintdistill.errors import UserError
from hintdistill.records import Game, Task, read_jsonl
from hintdistill.settings import Settings
from hintdistill.tasks.panel import Panel, load_panel

BASE = Path("models/base")
REQUIREMENTS = Path("requirements.lock")
STUDENTS = ("sft", "distilled")


class Cell:
    """Paths of one environment and agent."""

    def __init__(self, env: str, agent: str) -> None:
        self.env, self.agent = env, agent
        self.name = f"{env}-{agent}"
        self.panel = Path("data", env, "panel.jsonl")
        self.games = Path("data", env, "games.jsonl")
        self.data = Path("data", env, agent)
        self.hints = self.data / "hints.jsonl"
        self.rejected = self.data / "rejected.jsonl"
        self.metrics = Path("metrics", env, agent)
        self.bank = self.metrics / "bank.json"
        self.warm = Path("models/warm", self.name)
        self.figures = Path("metrics/cells", f"{self.name}.json")

    def adapter(self, arm: str) -> Path:
        return Path("models/adapters", f"{self.name}-{arm}")

    def eval(self, arm: str) -> Path:
        return self.data / "eval" / f"{arm}.jsonl"

    def read_tasks(self) -> dict[str, Task]:
        return {task.task_id: task for task in read_jsonl(self.panel, Task)}

    def read_panel(self) -> Panel:
        return load_panel(read_jsonl(self.panel, Task), read_jsonl(self.games, Game))


def read_figures(path: Path, what: str) -> dict[str, Any]:
    """A file of figures that a stage has written.

    Raises:
        UserError: it is missing, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected {what} as JSON: {error}. Run `dvc repro`.") from None


class ModelParams(Settings):
    """Shared block `model`: which folder the agent's model is.

    DVC's templates can't choose between two paths, but they can append to one: nothing for the
    warm-started model, `/../../base` for a model that needs no warm start.
    """

    path_suffix: Literal["", "/../../base"]

    def folder(self, cell: Cell) -> Path:
        return Path(os.path.normpath(f"{cell.warm}{self.path_suffix}"))


class ProtocolOfAgent(Settings):
    """What prompting reads of its agent's own block; the agent itself says what is in it."""

    protocol: dict[str, Any]


class BankParams(Settings):
    """Of the shared block `hints`: whose bank an agent's prompts are given hints of.

    Appended to a path, like `model.path_suffix`: nothing for the agent's own, `/../react` for agent
    react's, which must be among `agents` so that a stage makes it.
    """

    bank: str = Field(pattern=r"^(/\.\./[a-z0-9]+)?$")

    def path(self, cell: Cell) -> Path:
        return Path(os.path.normpath(f"{cell.data}{self.bank}/hints.jsonl"))

    def figures(self, cell: Cell) -> Path:
        return Path(os.path.normpath(f"{cell.metrics}{self.bank}/bank.json"))


class EvalParams(Settings):
    """Shared block `eval`: `dev` while settings are chosen, `eval` for what is reported."""

    split: Literal["eval", "dev"]


def cell_options(function):
    """The options --env and --agent of a click command."""
    agent = click.option("--agent", required=True, help="Prompting protocol, as in `react`.")
    env = click.option("--env", required=True, help="Environment, as in `alfworld`.")
    return env(agent(function))


def cell_command(function):
    """A stage's click command, called for one environment and agent."""
    return click.command()(cell_options(function))
