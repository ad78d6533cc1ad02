"""What the stages share whose prompts have hints of a bank."""

from typing import NamedTuple

from hintdistill.agents.placement import Placement
from hintdistill.agents.rollout import Retrieve
from hintdistill.hints.rerank import make_reranker
from hintdistill.hints.retrieve import HintParams, make_retriever
from hintdistill.records import Hint, read_jsonl
from hintdistill.stages._cell import BankParams, Cell
from hintdistill.stages._server import make_server


class RetrievalParams(HintParams, BankParams):
    """Shared block `hints`: which bank, what is retrieved of it, and where that is put."""

    placement: Placement


class Retriever(NamedTuple):
    """What retrieves, and which server and model it asks: "" where it asks none."""

    retrieve: Retrieve
    asks: str


def open_retriever(cell: Cell, hints: RetrievalParams, caller: str) -> Retriever:
    """The retriever over the cell's bank.

    Args:
        caller: whose calls these are, where a server is asked.

    Raises:
        UserError: there is no such bank, or as `make_ranking` or `make_server`.
    """
    bank, tasks = read_jsonl(hints.path(cell), Hint), cell.read_tasks()
    if hints.retriever == "llm":
        server = make_server(caller)
        return Retriever(make_reranker(server, bank, tasks, hints.k), server.name)
    return Retriever(make_retriever(hints.retriever, bank, tasks, hints.k), "")
