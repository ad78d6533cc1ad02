"""Keeps what was played on split dev as a trial; no stage, since it is a person who chooses."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hintdistill.commands.shared.dev_arms import arms_on_dev
from hintdistill.core.by_name import names_in
from hintdistill.core.cell import Cell, cell_options
from hintdistill.core.errors import UserError
from hintdistill.core.files import read_figures, write_json
from hintdistill.core.params import read_params
from hintdistill.core.records import Task
from hintdistill.evaluation.metrics import (
    Played,
    cell_summary,
    check_same_tasks,
    episode_rows,
    invalid_turns,
)
from hintdistill.evaluation.trials import TRIALS

# Of the parameters, these say nothing about a setting that is chosen; nor do other agents' blocks.
NOT_CHOSEN = {"envs", "agents", "eval", "llm", "variants"}


def keep_trial(
    name: str,
    cell: Cell,
    played: Played,
    tasks: Mapping[str, Task],
    bank: object,
    params: Mapping[str, Any],
    *,
    chosen: bool,
) -> Path:
    """Write a trial's figures and parameters to metrics/trials.

    Args:
        played: the episodes that were played on `dev`, by arm; `base` and `rag` are among them.
        tasks: the panel's, by task_id.
        bank: figures of the bank that the hints were retrieved from, as stage `hints` writes them.
        params: the whole content of params.yaml.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UserError(f"trial: expected a name of a-z, 0-9, - and _, got {name!r}")
    path = TRIALS / cell.name / f"{name}.json"
    if path.exists():
        raise UserError(f"{path}: there is a trial of that name; choose another, or remove it")
    check_same_tasks(played, f"trial {name}")
    left_out = (NOT_CHOSEN | set(names_in("hintdistill.agents"))) - {cell.agent}
    settings = {key: block for key, block in params.items() if key not in left_out}
    rows = list(episode_rows(played, tasks))
    figures = cell_summary(rows, invalid_turns(played)).nested()
    write_json(path, {"chosen": chosen, "params": settings, "bank": bank, **figures})
    return path


@click.command()
@click.option("--name", required=True, help="What was tried, as in `lora-r64`.")
@cell_options
@click.option("--chosen", is_flag=True, help="The profile has these settings.")
def command(name: str, env: str, agent: str, chosen: bool) -> None:
    """Keep the figures of arms played on split dev, for the report."""
    cell = Cell(env, agent)
    played, bank = arms_on_dev("keep-trial", cell)
    figures = read_figures(bank.figures(cell))
    tasks = cell.read_tasks()
    path = keep_trial(name, cell, played, tasks, figures, read_params(), chosen=chosen)
    click.echo(f"kept in {path}")
