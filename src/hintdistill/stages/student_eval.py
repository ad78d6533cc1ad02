"""Stage student_eval: the fine-tuned students, with no hint and no retrieval."""

import click

from hintdistill.stages._arms import RolloutStageParams, play_arm
from hintdistill.stages._cell import STUDENTS, Cell, EvalParams, cell_command


class Params(RolloutStageParams):
    eval: EvalParams


@cell_command
@click.option("--arm", required=True, type=click.Choice(STUDENTS))
def command(env: str, agent: str, arm: str) -> None:
    """Evaluate a student."""
    cell, params = Cell(env, agent), Params.read(env, agent)
    play_arm(
        "student_eval",
        cell,
        params.eval.split,
        arm,
        out=cell.eval(arm),
        params=params,
        adapter=cell.adapter(arm),
    )
