"""What the stages share whose prompts have hints of a bank."""

from hintdistill.agents.rollout import Retrieve
from hintdistill.hints.rerank import make_reranker
from hintdistill.hints.retrieve import HintParams, make_retriever
from hintdistill.records import Hint, read_jsonl
from hintdistill.stages._cell import BankParams, Cell
from hintdistill.stages._server import make_server


class RetrievalParams(HintParams, BankParams):
    """Shared block `hints`: which bank, and what is retrieved of it."""


def open_retriever(cell: Cell, hints: RetrievalParams, caller: str) -> Retrieve:
    """The retriever over the cell's bank.

    Args:
        caller: whose calls these are, where a server is asked.

    Raises:
        UserError: there is no such bank, or as `make_ranking` or `make_server`.
    """
    bank, tasks = read_jsonl(hints.path(cell), Hint), cell.read_tasks()
    if hints.retriever == "llm":
        return make_reranker(make_server(caller), bank, tasks, hints.k)
    return make_retriever(hints.retriever, bank, tasks, hints.k)
