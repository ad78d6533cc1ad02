"""Stage panel: the games of all splits, written or read, and pinned."""

import logging
import os

import click

from hintdistill.errors import UserError
from hintdistill.params import StageParams, per_env
from hintdistill.records import Game, Task, write_jsonl
from hintdistill.stages._cell import Cell
from hintdistill.tasks.alfworld_panel import AlfworldPanelParams, build_alfworld_panel
from hintdistill.tasks.panel import check_pin

log = logging.getLogger(__name__)


class Params(StageParams):
    panel: AlfworldPanelParams = per_env()


@click.command()
@click.option("--env", required=True, help="Environment, as in `alfworld`.")
def command(env: str) -> None:
    """Write the tasks of all splits: panel.jsonl and games.jsonl."""
    if env != "alfworld":
        raise UserError(f"environment {env!r}: expected 'alfworld'")
    params = Params.read(env)
    cell = Cell(env, "")
    tasks: list[Task] = []
    games: list[Game] = []
    for task, game in build_alfworld_panel(params.panel, workers=os.cpu_count() or 1):
        tasks.append(task)
        games.append(game)
        if len(tasks) % 100 == 0:
            log.info("%d games", len(tasks))
    source = params.panel.source
    check_pin(tasks, params.panel.panel_sha256, f"{env}.panel_sha256", f"{env}, {source} games")
    write_jsonl(cell.games, games)
    write_jsonl(cell.panel, tasks)
