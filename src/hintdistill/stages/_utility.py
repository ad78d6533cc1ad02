"""What `hintdistill utility` does; why it is no stage: hints/utility.py."""

import csv
import io
from pathlib import Path

from hintdistill.evaluation.metrics import check_same_tasks
from hintdistill.hints.utility import Utility, not_worth, utilities
from hintdistill.params import StageParams
from hintdistill.records import Hint, read_jsonl, write_text
from hintdistill.stages._cell import BankParams, Cell
from hintdistill.stages._trials import arms_on_dev


class Params(StageParams):
    hints: BankParams


def write_utility(env: str, agent: str, below: float) -> tuple[Path, list[str]]:
    """Write metrics/{env}/{agent}/utility.csv from base and rag on split dev.

    Returns:
        The file's path, and the clusters that are not worth `below`, to be named in hints.prune.

    Raises:
        UserError: base and rag have not been played on dev with these parameters.
    """
    cell = Cell(env, agent)
    arms = arms_on_dev("utility", cell)
    check_same_tasks(arms, str(cell.data / "eval"))
    bank = read_jsonl(Params.read().hints.path(cell), Hint)
    rows = utilities(bank, arms["base"], arms["rag"])
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(Utility._fields)
    for row in rows:
        lines.writerow(round(v, 4) if isinstance(v, float) else v for v in row)
    path = cell.metrics / "utility.csv"
    write_text(path, text.getvalue())
    return path, not_worth(rows, below)
