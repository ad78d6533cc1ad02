"""What the stages share whose prompts have hints of a bank."""

from hintdistill.agents.rollout import Retrieve
from hintdistill.hints.retrieve import HintParams, make_retriever
from hintdistill.records import Hint, read_jsonl
from hintdistill.stages._cell import BankParams, Cell


class RetrievalParams(HintParams, BankParams):
    """Shared block `hints`: which bank, and what is retrieved of it."""


def open_retriever(cell: Cell, hints: RetrievalParams) -> Retrieve:
    """The retriever over the cell's bank.

    Raises:
        UserError: there is no such bank, or as `make_retriever`.
    """
    bank = read_jsonl(hints.path(cell), Hint)
    return make_retriever(hints.retriever, bank, cell.read_tasks(), hints.k)
