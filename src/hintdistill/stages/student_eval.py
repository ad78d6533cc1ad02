"""Stage student_eval: the fine-tuned students, with no hint and no retrieval."""

import click

from hintdistill.core.cell import Cell, cell_command
from hintdistill.stages.shared.play import EvalPlayParams, play_arm


@cell_command
@click.option("--arm", required=True, help="Student, as in `distilled`.")
def command(env: str, agent: str, arm: str) -> None:
    """Evaluate a student."""
    cell, params = Cell(env, agent), EvalPlayParams.read(env, agent)
    item, split, adapter = {**cell.item, "arm": arm}, params.eval.split, cell.adapter(arm)
    play_arm(
        "student_eval", item, params, arm=arm, split=split, out=cell.eval(arm), adapter=adapter
    )
