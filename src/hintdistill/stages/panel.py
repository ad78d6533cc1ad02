"""Stage panel: the tasks of all splits, written or read, and pinned."""

import logging

import click

from hintdistill.params import StageParams, per_env
from hintdistill.records import Game, Task, write_jsonl
from hintdistill.stages._cell import Cell
from hintdistill.tasks.panel import PanelParams, check_pin
from hintdistill.tasks.registry import find_env

log = logging.getLogger(__name__)


class Params(StageParams):
    panel: PanelParams = per_env()


@click.command()
@click.option("--env", required=True, help="Environment, as in `alfworld`.")
def command(env: str) -> None:
    """Write the tasks of all splits: panel.jsonl and games.jsonl."""
    build_panel = find_env(env).build_panel
    params = Params.read(env)
    cell = Cell(env, "")
    tasks: list[Task] = []
    games: list[Game] = []
    for task, game in build_panel(params.panel):
        games.append(game)
        if task is None:
            continue
        tasks.append(task)
        if len(tasks) % 100 == 0:
            log.info("%d games", len(tasks))
    source = params.panel.source
    check_pin(tasks, params.panel.panel_sha256, f"{env}.panel_sha256", f"{env}, {source} games")
    write_jsonl(cell.games, games)
    write_jsonl(cell.panel, tasks)
