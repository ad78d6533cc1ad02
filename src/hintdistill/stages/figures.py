"""Stage figures: what all arms of one environment and agent come to.

The report is of all of them. DVC can't list the cells of a matrix as dependencies of one stage, but
a folder that all of them write to is one: metrics/cells/.
"""

from typing import Any

from hintdistill.evaluation.causes import CauseRow, cause_rows
from hintdistill.evaluation.metrics import (
    ARMS,
    Arms,
    cell_summary,
    check_same_tasks,
    episode_rows,
    success_by_type,
)
from hintdistill.evaluation.stats import wilson
from hintdistill.params import StageParams
from hintdistill.records import Episode, Task, read_jsonl, write_json
from hintdistill.stages._cell import Cell, cell_command, read_figures


class Params(StageParams):
    """None: what was played is in the episodes."""


def _causes(cell: Cell, arms: Arms, tasks: dict[str, Task]) -> list[CauseRow]:
    """Causes of failure: of base and teacher on the training tasks, and of every arm."""
    rows: list[CauseRow] = []
    for arm, name in (("base", "failures"), ("rag", "teacher")):
        played = read_jsonl(cell.data / f"{name}.jsonl", Episode)
        rows += cause_rows(played, tasks, arm)
    for arm, played in arms.items():
        rows += cause_rows(played, tasks, arm)
    return rows


def _played(arms: Arms) -> dict[str, Any]:
    """Which models spoke, by the names that episodes record, and whether bytes can be repeated."""
    episodes = [episode for played in arms.values() for episode in played]
    return {
        "models": sorted({episode.model.name for episode in episodes}),
        "deterministic": all(episode.deterministic for episode in episodes),
    }


def _types(arms: Arms, tasks: dict[str, Task]) -> list[tuple]:
    """Success by arm and task type, with its interval: rows of types.csv from `arm` on."""
    rows = []
    for arm, episodes in arms.items():
        for task_type, wins in success_by_type(episodes, tasks).items():
            rate = sum(wins) / len(wins)
            rows.append((arm, task_type, len(wins), rate, *wilson(sum(wins), len(wins))))
    return rows


@cell_command
def command(env: str, agent: str) -> None:
    """Write the figures of all arms: metrics/cells/{env}-{agent}.json."""
    cell = Cell(env, agent)
    tasks = cell.read_tasks()
    arms = {arm: read_jsonl(cell.eval(arm), Episode) for arm in ARMS}
    check_same_tasks(arms, str(cell.data / "eval"))
    figures = {
        "summary": cell_summary(arms),
        "played": _played(arms),
        "audit": read_figures(cell.metrics / "audit.json", "the audit"),
        "causes": _causes(cell, arms, tasks),
        "types": _types(arms, tasks),
        "episodes": episode_rows(arms, tasks),
    }
    write_json(cell.figures, figures)
