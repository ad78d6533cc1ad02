"""Gives an arm the hints of a bank, by the retriever that `hints.retriever` names."""

from collections.abc import Callable

from hintdistill.agents.episode.rollout import GivenHints
from hintdistill.core.cell import Cell
from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Hint
from hintdistill.hints.give.rerank import make_reranker
from hintdistill.hints.give.retrieve import RetrievalParams, make_retriever
from hintdistill.llm.server.client import Server


def hints_of_bank(
    cell: Cell, hints: RetrievalParams, make_server: Callable[[], Server]
) -> GivenHints:
    """The hints that a cell's agent is given; `make_server` is called by retriever `llm` alone."""
    bank, tasks = read_jsonl(hints.path(cell), Hint), cell.read_tasks()
    if hints.retriever == "llm":
        server = make_server()
        server.look_for_model()
        reranker = make_reranker(server, bank, tasks, hints.k)
        return GivenHints(reranker, server.name, hints.placement)
    retriever = make_retriever(hints.retriever, bank, tasks, hints.k)
    return GivenHints(retriever, placement=hints.placement)
