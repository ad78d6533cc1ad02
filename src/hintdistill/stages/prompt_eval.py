"""Stage prompt_eval: the base agent with hints in its prompt, real ones or placebos."""

import click

from hintdistill.agents.episode.rollout import GivenHints
from hintdistill.core.cell import Cell, cell_command
from hintdistill.hints.give.bank import hints_of_bank
from hintdistill.hints.give.placebo import PlaceboHints
from hintdistill.hints.give.retrieve import RetrievalParams
from hintdistill.stages.shared.play import EvalPlayParams, play_arm
from hintdistill.stages.shared.server import make_server


class PromptEvalParams(EvalPlayParams):
    hints: RetrievalParams


@cell_command
@click.option("--arm", required=True, help="`rag`, or an arm of prompts/{env}/placebos.yaml.")
def command(env: str, agent: str, arm: str) -> None:
    """Evaluate an arm that has hints in its prompt."""
    cell, params = Cell(env, agent), PromptEvalParams.read(env, agent)
    if arm == "rag":
        caller = f"prompt_eval@{cell.name}-rag"
        hints = hints_of_bank(cell, params.hints, lambda: make_server(caller))
    else:
        placebo = PlaceboHints(arm, env, params.hints.k)
        hints = GivenHints(placebo, placement=params.hints.placement)
    item, split = {**cell.item, "arm": arm}, params.eval.split
    play_arm("prompt_eval", item, params, arm=arm, split=split, out=cell.eval(arm), hints=hints)
