"""A matrix cell: one environment and one agent, and where their files lie."""

from pathlib import Path

import click

from hintdistill.records import Game, Task, read_jsonl
from hintdistill.tasks.panel import Panel, load_panel

BASE = Path("models/base")
LOCK = Path("requirements.lock")
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
        self.metrics = Path("metrics", env, agent)
        self.model = Path("models/warm", self.name)

    def adapter(self, arm: str) -> Path:
        return Path("models/adapters", f"{self.name}-{arm}")

    def eval(self, arm: str) -> Path:
        return self.data / "eval" / f"{arm}.jsonl"

    def read_tasks(self) -> dict[str, Task]:
        return {task.task_id: task for task in read_jsonl(self.panel, Task)}

    def read_panel(self) -> Panel:
        return load_panel(read_jsonl(self.panel, Task), read_jsonl(self.games, Game))


def cell_command(function):
    """A stage's click command, called for one environment and agent."""
    function = click.option("--agent", required=True, help="Prompting protocol, as in `react`.")(
        function
    )
    function = click.option("--env", required=True, help="Environment, as in `alfworld`.")(function)
    return click.command()(function)
