"""Stage failures: the base agent plays the training tasks."""

from hintdistill.stages._arms import RolloutStageParams, play_arm
from hintdistill.stages._cell import Cell, cell_command


class Params(RolloutStageParams):
    """Nothing but what every rollout reads."""


@cell_command
def command(env: str, agent: str) -> None:
    """Play the training tasks without hints: failures.jsonl (all episodes)."""
    cell, params = Cell(env, agent), Params.read(env, agent)
    play_arm("failures", cell, "train", "base", out=cell.data / "failures.jsonl", params=params)
