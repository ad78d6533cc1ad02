"""Stage failures: the base agent plays the training tasks."""

from hintdistill.core.cell import Cell, cell_command
from hintdistill.stages.shared.play import PlayParams, play_arm


@cell_command
def command(env: str, agent: str) -> None:
    """Play the training tasks without hints: failures.jsonl (all episodes)."""
    cell, params = Cell(env, agent), PlayParams.read(env, agent)
    play_arm("failures", cell.item, params, arm="base", split="train", out=cell.failures)
