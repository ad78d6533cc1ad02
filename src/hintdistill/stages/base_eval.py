"""Stage base_eval: the base agent on the evaluation split."""

from hintdistill.core.cell import Cell, cell_command
from hintdistill.stages.shared.play import EvalPlayParams, play_arm


@cell_command
def command(env: str, agent: str) -> None:
    """Evaluate arm base."""
    cell, params = Cell(env, agent), EvalPlayParams.read(env, agent)
    split = params.eval.split
    play_arm("base_eval", cell.item, params, arm="base", split=split, out=cell.eval("base"))
