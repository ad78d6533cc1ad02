"""Stage teacher: the base agent plays the training tasks again, with hints."""

from hintdistill.hints.retrieve import HintParams, make_retriever
from hintdistill.records import Hint, read_jsonl
from hintdistill.stages._arms import RolloutStageParams, play_arm
from hintdistill.stages._cell import Cell, cell_command


class Params(RolloutStageParams):
    hints: HintParams


@cell_command
def command(env: str, agent: str) -> None:
    """Play the training tasks with retrieved hints: teacher.jsonl."""
    cell, params = Cell(env, agent), Params.read(env)
    bank = read_jsonl(cell.hints, Hint)
    play_arm(
        "teacher",
        cell,
        "train",
        "rag",
        out=cell.data / "teacher.jsonl",
        params=params,
        retrieve=make_retriever(params.hints.retriever, bank, cell.read_tasks(), params.hints.k),
        hints=[cell.hints],
    )
