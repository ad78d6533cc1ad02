"""Stage teacher: the base agent plays the training tasks again, with hints."""

from hintdistill.stages._arms import RolloutStageParams, play_arm
from hintdistill.stages._bank import RetrievalParams, open_retriever
from hintdistill.stages._cell import Cell, cell_command


class Params(RolloutStageParams):
    hints: RetrievalParams


@cell_command
def command(env: str, agent: str) -> None:
    """Play the training tasks with retrieved hints: teacher.jsonl."""
    cell, params = Cell(env, agent), Params.read(env, agent)
    retriever = open_retriever(cell, params.hints, f"teacher@{cell.name}-rag")
    play_arm(
        "teacher",
        cell,
        "train",
        "rag",
        out=cell.data / "teacher.jsonl",
        params=params,
        retrieve=retriever.retrieve,
        asks=retriever.asks,
        hints=[params.hints.path(cell)],
        placement=params.hints.placement,
    )
