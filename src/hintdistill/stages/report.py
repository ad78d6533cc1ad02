"""Stage report: all arms of all cells, in one summary, one table of episodes, plots and words."""

import json
from pathlib import Path
from typing import Any

import click

from hintdistill.errors import UserError
from hintdistill.evaluation.causes import CAUSE_COLUMNS, CauseRow, cause_rows
from hintdistill.evaluation.metrics import (
    ARMS,
    EPISODE_COLUMNS,
    Arms,
    cell_summary,
    check_same_tasks,
    episode_rows,
    success_by_type,
)
from hintdistill.evaluation.report import render_report
from hintdistill.evaluation.stats import wilson
from hintdistill.evaluation.trials import read_trials
from hintdistill.params import StageParams
from hintdistill.records import Episode, Task, read_jsonl, write_json, write_text
from hintdistill.settings import Settings
from hintdistill.stages._cell import Cell, EvalParams, ModelParams

METRICS = Path("metrics")
_INTERVAL = ("success", "success_lo", "success_hi")


class ModelName(Settings):
    name: str


class PlayedHow(Settings):
    """Of the shared block `rollout`: what the report says of it."""

    engine: str
    seed: int


class Params(StageParams):
    envs: list[str]
    agents: list[str]
    base: ModelName
    model: ModelParams
    rollout: PlayedHow
    eval: EvalParams


def _read_audit(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected the audit as JSON: {error}. Run `dvc repro`.") from None


def _causes(cell: Cell, arms: Arms, tasks: dict[str, Task]) -> list[CauseRow]:
    """Causes of failure: of base and teacher on the training tasks, and of every arm."""
    rows: list[CauseRow] = []
    for arm, name in (("base", "failures"), ("rag", "teacher")):
        played = read_jsonl(cell.data / f"{name}.jsonl", Episode)
        rows += cause_rows(played, tasks, arm)
    for arm, played in arms.items():
        rows += cause_rows(played, tasks, arm)
    return rows


@click.command()
def command() -> None:
    """Write summary, episodes, plots and report."""
    params = Params.read()
    summary: dict[str, Any] = {}
    cells: dict[str, Any] = {}
    audits: dict[str, Any] = {}
    causes: dict[str, list[CauseRow]] = {}
    trials: dict[str, dict[str, Any]] = {}
    rows, bars, types = [], [], []
    for env in params.envs:
        for agent in params.agents:
            cell = Cell(env, agent)
            tasks = cell.read_tasks()
            arms = {arm: read_jsonl(cell.eval(arm), Episode) for arm in ARMS}
            check_same_tasks(arms, str(cell.data / "eval"))
            name = f"{env}, {agent}"
            cells[name] = summary.setdefault(env, {})[agent] = cell_summary(arms)
            audits[name] = _read_audit(cell.metrics / "audit.json")
            causes[name] = _causes(cell, arms, tasks)
            trials[name] = read_trials(env, agent)
            rows += episode_rows(arms, tasks)
            for arm, episodes in arms.items():
                figures = cells[name][arm]
                bars.append((env, agent, arm, *(figures[k] for k in _INTERVAL)))
                for task_type, wins in success_by_type(episodes, tasks).items():
                    rate = sum(wins) / len(wins)
                    lo, hi = wilson(sum(wins), len(wins))
                    types.append((env, agent, arm, task_type, len(wins), rate, lo, hi))
    write_text(METRICS / "episodes.csv", "\n".join([EPISODE_COLUMNS, *rows]) + "\n")
    _write_csv(METRICS / "plots/arms.csv", "env,agent,arm,success,lo,hi", bars)
    _write_csv(METRICS / "plots/types.csv", "env,agent,arm,type,n,success,lo,hi", types)
    every = [row for rows_of_cell in causes.values() for row in rows_of_cell]
    _write_csv(METRICS / "plots/causes.csv", CAUSE_COLUMNS, every)
    warm = params.model.path_suffix == ""
    text = render_report(
        cells,
        audits,
        causes,
        trials,
        model=params.base.name
        + (", after a warm start on demonstrations" if warm else "")
        + f", played by engine {params.rollout.engine}",
        split=params.eval.split,
        seed=params.rollout.seed,
    )
    write_text(METRICS / "report.md", text)
    write_json(METRICS / "summary.json", summary)


def _write_csv(path: Path, header: str, rows: list[tuple]) -> None:
    lines = [",".join(str(value) for value in row) for row in rows]
    write_text(path, "\n".join([header, *lines]) + "\n")
