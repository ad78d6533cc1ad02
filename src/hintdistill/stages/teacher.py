"""Stage teacher: the base agent plays the training tasks again, with hints."""

from hintdistill.core.cell import Cell, cell_command
from hintdistill.hints.give.bank import hints_of_bank
from hintdistill.hints.give.retrieve import RetrievalParams
from hintdistill.stages.shared.play import PlayParams, play_arm
from hintdistill.stages.shared.server import make_server


class TeacherParams(PlayParams):
    hints: RetrievalParams


@cell_command
def command(env: str, agent: str) -> None:
    """Play the training tasks with retrieved hints: teacher.jsonl."""
    cell, params = Cell(env, agent), TeacherParams.read(env, agent)
    hints = hints_of_bank(cell, params.hints, lambda: make_server(f"teacher@{cell.name}"))
    play_arm("teacher", cell.item, params, arm="rag", split="train", out=cell.teacher, hints=hints)
