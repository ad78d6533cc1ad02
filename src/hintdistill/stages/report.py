"""Stage report: the figures of all cells in one summary, one table of episodes, plots, words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hintdistill.core.cell import Cell, EvalParams, ModelParams
from hintdistill.core.files import read_json, write_json, write_text
from hintdistill.core.params import StageParams
from hintdistill.core.settings import Settings
from hintdistill.evaluation.arms import ARMS, TABLE
from hintdistill.evaluation.figures import CauseRow, CellFigures, CellSummary, EpisodeRow, TypeRow
from hintdistill.evaluation.metrics import cell_summary, type_rows
from hintdistill.evaluation.report import CellPage, render_report
from hintdistill.evaluation.trials import read_trials

METRICS = Path("metrics")


class ModelName(Settings):
    """The key of block `base` that names the model."""

    name: str


class PlayedHow(Settings):
    """The keys of the shared block `rollout` that the report names."""

    engine: str
    seed: int


class ReportParams(StageParams):
    envs: list[str]
    agents: list[str]
    base: ModelName
    model: ModelParams
    rollout: PlayedHow
    eval: EvalParams


@click.command()
def command() -> None:
    """Write summary, episodes, plots and report."""
    params = ReportParams.read()
    names = [(env, agent) for env in params.envs for agent in params.agents]
    cells = {name: read_json(Cell(*name).figures, CellFigures) for name in names}
    figures = cells.values()
    summaries = {name: cell_summary(f.episodes, f.invalid) for name, f in cells.items()}
    types = {name: list(type_rows(f.episodes)) for name, f in cells.items()}
    plots = METRICS / "plots"
    _write_csv(METRICS / "episodes.csv", EpisodeRow._fields, *(f.episodes for f in figures))
    _write_csv(plots / "types.csv", TypeRow._fields, *types.values())
    _write_csv(plots / "causes.csv", CauseRow._fields, *(f.causes for f in figures))
    bars = [
        (*name, arm, own.success, own.success_lo, own.success_hi)
        for name, cell in summaries.items()
        for arm, own in ((arm, cell.arms[arm]) for arm in ARMS)
    ]
    _write_csv(plots / "arms.csv", ("env", "agent", "arm", "success", "lo", "hi"), bars)
    warm = ", after a warm start on demonstrations" if params.model.path_suffix == "" else ""
    text = render_report(
        [
            CellPage(", ".join(name), summaries[name], types[name], f, read_trials(*name))
            for name, f in cells.items()
        ],
        model=f"{params.base.name}{warm}, played by engine {params.rollout.engine}",
        split=params.eval.split,
        seed=params.rollout.seed,
    )
    write_text(METRICS / "report.md", text)
    summary: dict[str, dict[str, Any]] = {}
    success: dict[str, dict[str, Any]] = {}
    for (env, agent), cell in summaries.items():
        summary.setdefault(env, {})[agent] = cell.nested()
        success.setdefault(env, {})[agent] = _success(cell)
    write_json(METRICS / "summary.json", summary)
    write_json(METRICS / "success.json", success)


def _success(summary: CellSummary) -> dict[str, float]:
    """Success of the arms that differ by design, in percent, and their score where it is graded."""
    shown = [arm.name for arm in TABLE if arm.headline]
    found = {arm: round(100 * summary.arms[arm].success, 1) for arm in shown}
    if summary.compare_reward is not None:
        found |= {f"{arm}_score": round(100 * summary.arms[arm].reward, 1) for arm in shown}
    return found


def _write_csv(path: Path, header: Sequence[str], *tables: Sequence[Sequence[object]]) -> None:
    """Write tables of one kind, a cell's or several cells', below one header."""
    lines = [",".join(map(str, row)) for table in ([header], *tables) for row in table]
    write_text(path, "\n".join(lines) + "\n")
