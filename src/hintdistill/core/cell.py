"""A cell of dvc.yaml's matrix, which is one environment with one agent: its paths and params."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click
from pydantic import Field, PositiveInt

from hintdistill.core.files import read_jsonl
from hintdistill.core.panel import Panel, load_panel
from hintdistill.core.records import Game, Task
from hintdistill.core.settings import Settings

BASE = Path("models/base")


class Cell:
    """Paths of one environment and agent."""

    def __init__(self, env: str, agent: str) -> None:
        self.env, self.agent = env, agent
        self.item = {"env": env, "agent": agent}  # its values of dvc.yaml's matrix
        self.name = f"{env}-{agent}"
        self.panel = Path("data", env, "panel.jsonl")
        self.games = Path("data", env, "games.jsonl")
        self.data = Path("data", env, agent)
        self.failures = self.data / "failures.jsonl"
        self.teacher = self.data / "teacher.jsonl"
        self.hints = self.data / "hints.jsonl"
        self.permuted = self.data / "permuted.jsonl"  # hints.jsonl with places mixed up
        self.rejected = self.data / "rejected.jsonl"
        self.metrics = Path("metrics", env, agent)
        self.audit = self.metrics / "audit.json"
        self.bank = self.metrics / "bank.json"
        self.warm = Path("models/warm", self.name)
        self.figures = Path("metrics/cells", f"{self.name}.json")

    def rows(self, arm: str) -> Path:
        return self.data / f"{arm}.jsonl"

    def adapter(self, arm: str) -> Path:
        return Path("models/adapters", f"{self.name}-{arm}")

    def eval(self, arm: str) -> Path:
        return self.data / "eval" / f"{arm}.jsonl"

    def read_tasks(self) -> dict[str, Task]:
        return {task.task_id: task for task in read_jsonl(self.panel, Task)}

    def read_panel(self) -> Panel:
        return load_panel(read_jsonl(self.panel, Task), read_jsonl(self.games, Game))


class TemplateParams(Settings):
    """The key of the shared block `model` that is read wherever its messages become tokens."""

    chat_template_kwargs: dict[str, Any]  # variables of its chat template


class ModelParams(TemplateParams):
    """Shared block `model`, which names the folder of the agent's model.

    DVC's templates can't choose between two paths, but they can append to one: nothing for the
    warm-started model, `/../../base` for a model that needs no warm start.
    """

    path_suffix: Literal["", "/../../base"]

    def folder(self, cell: Cell) -> Path:
        return Path(os.path.normpath(f"{cell.warm}{self.path_suffix}"))


class AgentParams(Settings):
    """The key of an agent's block that is read by every stage that prompts it."""

    protocol: dict[str, Any]  # the agent itself checks it


class StepLimit(Settings):
    """The key of an environment's block that is read by every stage that plays it."""

    step_limit: PositiveInt  # actions of one episode


class BankParams(Settings):
    """The key of the shared block `hints` that says whose hints an agent is given.

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


def cell_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options --env and --agent of a click command."""
    agent = click.option("--agent", required=True, help="Prompting protocol, as in `react`.")
    env = click.option("--env", required=True, help="Environment, as in `alfworld`.")
    return env(agent(function))


def cell_command(function: Callable[..., Any]) -> click.Command:
    """A stage's click command, called for one environment and agent."""
    return click.command()(cell_options(function))
