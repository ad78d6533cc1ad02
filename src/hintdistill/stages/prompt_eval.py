"""Stage prompt_eval: the base agent with hints in its prompt, real ones or placebos."""

import click

from hintdistill.hints.retrieve import PlaceboHints
from hintdistill.stages._arms import RolloutStageParams, play_arm
from hintdistill.stages._bank import RetrievalParams, Retriever, open_retriever
from hintdistill.stages._cell import Cell, EvalParams, cell_command

ARMS = ("rag", "placebo_wrong_type", "placebo_constant")


class Params(RolloutStageParams):
    hints: RetrievalParams
    eval: EvalParams


@cell_command
@click.option("--arm", required=True, type=click.Choice(ARMS))
def command(env: str, agent: str, arm: str) -> None:
    """Evaluate an arm that has hints in its prompt."""
    cell, params = Cell(env, agent), Params.read(env, agent)
    if arm == "rag":
        retriever = open_retriever(cell, params.hints, f"prompt_eval@{cell.name}-rag")
    else:
        retriever = Retriever(PlaceboHints(arm, env, params.hints.k), "")
    play_arm(
        "prompt_eval",
        cell,
        params.eval.split,
        arm,
        out=cell.eval(arm),
        params=params,
        retrieve=retriever.retrieve,
        asks=retriever.asks,
        hints=[params.hints.path(cell)],
        placement=params.hints.placement,
    )
