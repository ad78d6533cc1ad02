"""Reads the arms that have been played on split dev with the parameters that are here."""

from hintdistill.commands.shared.graph import stale_stages
from hintdistill.core.cell import BankParams, Cell, EvalParams
from hintdistill.core.errors import UserError
from hintdistill.core.files import read_jsonl
from hintdistill.core.params import StageParams
from hintdistill.core.records import Episode
from hintdistill.evaluation.arms import ARMS, TABLE


class DevArmsParams(StageParams):
    envs: list[str]
    agents: list[str]
    eval: EvalParams
    hints: BankParams


def arms_on_dev(command: str, cell: Cell) -> tuple[dict[str, list[Episode]], BankParams]:
    """Episodes by arm, of base and rag at least, and which bank of hints they had.

    A UserError where the split is another one, the cell is no part of the pipeline (so that nothing
    tells with what its arms were played), or base and rag have not been played on it.
    """
    params = DevArmsParams.read()
    if cell.env not in params.envs or cell.agent not in params.agents:
        raise UserError(
            f"{command}: expected envs and agents in params.yaml to list {cell.env} and "
            f"{cell.agent}, they are {params.envs} and {params.agents}"
        )
    if params.eval.split != "dev":
        raise UserError(
            f"{command}: expected eval.split dev in params.yaml: settings are not chosen on eval. "
            "Run `dvc repro base_eval prompt_eval` with it first."
        )
    stale = stale_stages()
    played = [arm.name for arm in TABLE if arm.address(cell.name) not in stale]
    arms = {arm: read_jsonl(cell.eval(arm), Episode) for arm in played}
    if not {"base", "rag"} <= set(arms):
        needed = " ".join(ARMS[arm].address(cell.name) for arm in ("base", "rag"))
        raise UserError(
            f"{command}: expected arms base and rag played with these parameters, found "
            f"{sorted(arms) or 'none'}. Run `dvc repro {needed}`."
        )
    return arms, params.hints
