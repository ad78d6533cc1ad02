"""Stage base_eval: the base agent on the evaluation split."""

from hintdistill.stages._arms import RolloutStageParams, play_arm
from hintdistill.stages._cell import Cell, EvalParams, cell_command


class Params(RolloutStageParams):
    eval: EvalParams


@cell_command
def command(env: str, agent: str) -> None:
    """Evaluate arm base."""
    cell, params = Cell(env, agent), Params.read(env, agent)
    split = params.eval.split
    play_arm("base_eval", cell, split, "base", out=cell.eval("base"), params=params)
