"""Stage panel: the tasks of all splits, written or read, and pinned."""

import logging

import click
from pydantic import Field

from hintdistill.core.cell import Cell
from hintdistill.core.errors import UserError
from hintdistill.core.files import write_jsonl
from hintdistill.core.panel import PanelParams, panel_sha256
from hintdistill.core.params import ENV_BLOCK, StageParams
from hintdistill.core.records import Game, Task
from hintdistill.environments.common.registry import games_of

log = logging.getLogger(__name__)


class PanelStageParams(StageParams):
    panel: PanelParams = Field(alias=ENV_BLOCK)


@click.command()
@click.option("--env", required=True, help="Environment, as in `alfworld`.")
def command(env: str) -> None:
    """Write the tasks of all splits: panel.jsonl and games.jsonl."""
    build_panel = games_of(env).build_panel
    params = PanelStageParams.read(env).panel
    tasks: list[Task] = []
    games: list[Game] = []
    for task, game in build_panel(params):
        games.append(game)
        if task is not None:
            tasks.append(task)
            if len(tasks) % 100 == 0:
                log.info("%d games", len(tasks))
    pinned, found, key = params.panel_sha256, panel_sha256(tasks), f"{env}.panel_sha256"
    if pinned not in (None, found):
        raise UserError(
            f"{env}, {params.source} games: expected the panel with digest {pinned} ({key}), found "
            f"{found} ({len(tasks)} games). Games, seed or sizes are not the pinned ones: restore "
            f"them, or set {key} to the digest found if the change is wanted (null: not checked)."
        )
    cell = Cell(env, "")
    write_jsonl(cell.games, games)
    write_jsonl(cell.panel, tasks)
