"""Stage prompt_eval: the base agent with hints in its prompt, real ones or placebos."""

import click

from hintdistill.hints.retrieve import HintParams, PlaceboHints, make_retriever
from hintdistill.records import Hint, read_jsonl
from hintdistill.stages._arms import RolloutStageParams, play_arm
from hintdistill.stages._cell import Cell, EvalParams, cell_command

ARMS = ("rag", "placebo_wrong_type", "placebo_constant")


class Params(RolloutStageParams):
    hints: HintParams
    eval: EvalParams


@cell_command
@click.option("--arm", required=True, type=click.Choice(ARMS))
def command(env: str, agent: str, arm: str) -> None:
    """Evaluate an arm that has hints in its prompt."""
    cell, params = Cell(env, agent), Params.read(env)
    if arm == "rag":
        bank = read_jsonl(cell.hints, Hint)
        retrieve = make_retriever(params.hints.retriever, bank, cell.read_tasks(), params.hints.k)
    else:
        retrieve = PlaceboHints(arm, env, params.hints.k)
    play_arm(
        "prompt_eval",
        cell,
        params.eval.split,
        arm,
        out=cell.eval(arm),
        params=params,
        retrieve=retrieve,
        hints=[cell.hints],
    )
