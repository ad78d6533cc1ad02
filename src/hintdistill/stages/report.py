"""Stage report: the figures of all cells in one summary, one table of episodes, plots, words."""

import json
from pathlib import Path
from typing import Any

import click

from hintdistill.errors import UserError
from hintdistill.evaluation.causes import CAUSE_COLUMNS, CauseRow
from hintdistill.evaluation.metrics import ARMS, EPISODE_COLUMNS, HEADLINE
from hintdistill.evaluation.report import render_report
from hintdistill.evaluation.trials import read_trials
from hintdistill.params import StageParams
from hintdistill.records import write_json, write_text
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


def _read_figures(cell: Cell) -> dict[str, Any]:
    try:
        figures = json.loads(cell.figures.read_text(encoding="utf-8"))
        figures["causes"] = [CauseRow(*row) for row in figures["causes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{cell.figures}: expected the figures of {cell.name} as JSON: {error!r:.80}. Make "
            "them with `dvc repro`, or restore them with `git checkout`."
        ) from None
    return figures


@click.command()
def command() -> None:
    """Write summary, episodes, plots and report."""
    params = Params.read()
    summary: dict[str, Any] = {}
    cells: dict[str, dict[str, Any]] = {}
    trials: dict[str, dict[str, Any]] = {}
    rows, bars, types, causes = [], [], [], []
    for env in params.envs:
        for agent in params.agents:
            name = f"{env}, {agent}"
            cells[name] = figures = _read_figures(Cell(env, agent))
            arms = summary.setdefault(env, {})[agent] = figures["summary"]
            trials[name] = read_trials(env, agent)
            rows += figures["episodes"]
            bars += [(env, agent, arm, *(arms[arm][k] for k in _INTERVAL)) for arm in ARMS]
            types += [(env, agent, *row) for row in figures["types"]]
            causes += figures["causes"]
    write_text(METRICS / "episodes.csv", "\n".join([EPISODE_COLUMNS, *rows]) + "\n")
    _write_csv(METRICS / "plots/arms.csv", "env,agent,arm,success,lo,hi", bars)
    _write_csv(METRICS / "plots/types.csv", "env,agent,arm,type,n,success,lo,hi", types)
    _write_csv(METRICS / "plots/causes.csv", CAUSE_COLUMNS, causes)
    warm = params.model.path_suffix == ""
    text = render_report(
        cells,
        trials,
        model=params.base.name
        + (", after a warm start on demonstrations" if warm else "")
        + f", played by engine {params.rollout.engine}",
        split=params.eval.split,
        seed=params.rollout.seed,
    )
    write_text(METRICS / "report.md", text)
    write_json(METRICS / "summary.json", summary)
    write_json(METRICS / "success.json", _success(summary))


def _success(summary: dict[str, Any]) -> dict[str, Any]:
    """Success of the arms that differ by design, in percent, and their score where it is graded."""
    found: dict[str, Any] = {}
    for env, agents in summary.items():
        for agent, arms in agents.items():
            shown = {arm: round(100 * arms[arm]["success"], 1) for arm in HEADLINE}
            if "compare_reward" in arms:
                shown |= {f"{a}_score": round(100 * arms[a]["reward"], 1) for a in HEADLINE}
            found.setdefault(env, {})[agent] = shown
    return found


def _write_csv(path: Path, header: str, rows: list[tuple]) -> None:
    lines = [",".join(str(value) for value in row) for row in rows]
    write_text(path, "\n".join([header, *lines]) + "\n")
