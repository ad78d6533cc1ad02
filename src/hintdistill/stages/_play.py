"""What all stages that play share: limits read from params.yaml, and how a split is played."""

from pathlib import Path
from typing import Any

from pydantic import PositiveInt

from hintdistill.agents.placement import Placement
from hintdistill.agents.registry import make_agent
from hintdistill.agents.rollout import Arm, Limits, Retrieve, no_hints, play
from hintdistill.errors import UserError
from hintdistill.llm.engine import Engine
from hintdistill.records import Task, write_jsonl
from hintdistill.scratch import Scratch
from hintdistill.settings import Settings
from hintdistill.stages._cell import Cell
from hintdistill.tasks.panel import Panel
from hintdistill.tasks.registry import find_env


class PlayParams(Limits):
    """Of the shared block `rollout`: how episodes are played, whoever plays."""

    cohort: PositiveInt  # episodes at once
    seed: int


class EnvParams(Settings):
    """What playing reads of its environment's own block."""

    step_limit: PositiveInt


def tasks_of_split(cell: Cell, panel: Panel, split: str) -> list[Task]:
    """The tasks of a split.

    Raises:
        UserError: the panel has none.
    """
    tasks = [task for task, _ in panel.values() if task.split == split]
    if not tasks:
        raise UserError(f"{cell.panel}: expected tasks of split {split!r}, found none")
    return tasks


def play_split(
    cell: Cell,
    split: str,
    arm: str,
    *,
    out: Path,
    play_params: PlayParams,
    step_limit: int,
    protocol: dict[str, Any],
    engine: Engine,
    scratch: Scratch,
    retrieve: Retrieve = no_hints,
    placement: Placement = "system",
) -> None:
    """Play one episode on every task of a split and write them to `out`, sorted.

    Raises:
        UserError: the panel has no task of that split, or there is no such agent.
    """
    panel = cell.read_panel()
    agent = make_agent(cell.agent, cell.env, protocol)
    tasks = tasks_of_split(cell, panel, split)
    with find_env(cell.env).open_envs(panel, min(play_params.cohort, len(tasks))) as envs:
        episodes = play(
            tasks,
            envs,
            engine,
            Arm(
                arm, agent, retrieve, play_params, step_limit, play_params.seed, placement=placement
            ),
            cohort=play_params.cohort,
            folder=scratch.folder,
        )
    write_jsonl(out, sorted(episodes, key=lambda episode: episode.episode_id))
    scratch.drop()
