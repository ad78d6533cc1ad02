"""What `hintdistill keep-trial` does; no stage, since it is a person who chooses."""

from pathlib import Path

from hintdistill.errors import UserError
from hintdistill.evaluation import trials
from hintdistill.evaluation.metrics import ARMS, Arms
from hintdistill.params import StageParams, read_params
from hintdistill.records import Episode, read_jsonl
from hintdistill.stages._cell import STUDENTS, BankParams, Cell, EvalParams, read_figures
from hintdistill.stages._estimate import stale_stages


class Params(StageParams):
    envs: list[str]
    agents: list[str]
    eval: EvalParams
    hints: BankParams


def arms_on_dev(command: str, cell: Cell) -> Arms:
    """The arms that have been played on split dev with today's parameters, base and rag at least.

    Raises:
        UserError: the split is another one, the cell is no part of the pipeline (so that nothing
            tells with what its arms were played), or base and rag have not been played on it.
    """
    params = Params.read()
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
    stages = {arm: f"prompt_eval@{cell.name}-{arm}" for arm in ARMS}
    stages |= {arm: f"student_eval@{cell.name}-{arm}" for arm in STUDENTS}
    stages["base"] = f"base_eval@{cell.name}"
    arms = {arm: read_jsonl(cell.eval(arm), Episode) for arm in ARMS if stages[arm] not in stale}
    if not {"base", "rag"} <= set(arms):
        raise UserError(
            f"{command}: expected arms base and rag played with these parameters, found "
            f"{sorted(arms) or 'none'}. Run `dvc repro {stages['base']} {stages['rag']}`."
        )
    return arms


def keep_trial(name: str, env: str, agent: str, *, chosen: bool) -> Path:
    """Keep the arms that have been played on split dev, with all of params.yaml.

    Raises:
        UserError: as `arms_on_dev`, there is a trial of that name, or no figures of the bank.
    """
    cell = Cell(env, agent)
    arms, bank = (
        arms_on_dev("keep-trial", cell),
        read_figures(Params.read().hints.figures(cell), "the bank's figures"),
    )
    return trials.keep_trial(name, env, agent, arms, bank, read_params(), chosen=chosen)
