"""What `hintdistill compare` does: reads this commit's experiments, and writes the page."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from hintdistill.commands import git
from hintdistill.errors import UserError
from hintdistill.evaluation.variants import (
    CellName,
    Variant,
    flat_params,
    read_episodes,
    render_comparison,
)
from hintdistill.llm.ledger import WORKSPACE, Ledger, ledger_file
from hintdistill.params import PARAMS_FILE
from hintdistill.records import Hint, write_text
from hintdistill.stages._cell import BankParams, Cell
from hintdistill.stages._timing import TIMES, noted
from hintdistill.stages._variants import FOLDER

PAGE = Path("metrics/variants.md")
EPISODES = "metrics/episodes.csv"


def experiments() -> dict[str, str]:
    """Refs of the experiments that start from this commit, by name."""
    head = git("rev-parse", "HEAD").strip()
    home = f"refs/exps/{head[:2]}/{head[2:]}/"
    refs = git("for-each-ref", "--format=%(refname)", home).split()
    return {ref.removeprefix(home): ref for ref in refs}


def _read(path: str, ref: str | None) -> str:
    """A file that git has: of an experiment, or of this folder."""
    if ref is not None:
        return git("show", f"{ref}:{path}")
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: expected a finished run's: {error}. Run `dvc repro`.") from None


def _bank(cell: Cell, bank: str, name: str, ref: str | None) -> list[Hint]:
    """The hints that a run's agent was given, from this folder, the cache or a remote."""
    import dvc.api
    from dvc.exceptions import DvcException

    path = BankParams(bank=bank).path(cell)
    try:
        text = dvc.api.read(str(path), rev=ref)
    except (DvcException, OSError) as error:
        raise UserError(f"{path} of {name}: expected a bank: {error}. Run `make pull`.") from None
    return [Hint.model_validate_json(line) for line in text.splitlines()]


def _read_run(name: str, ref: str | None, money: dict[str, float]) -> Variant:
    params = flat_params(yaml.safe_load(_read(str(PARAMS_FILE), ref)))
    episodes = read_episodes(_read(EPISODES, ref).splitlines())
    banks = {cell: _bank(Cell(*cell), params["hints.bank"], name, ref) for cell in episodes}
    noted_here = noted((FOLDER / name if ref else Path()) / TIMES)
    times = [entry.seconds for stage, entry in noted_here.items() if _is_of(stage, episodes)]
    return Variant(name, params, episodes, banks, sum(times) if times else None, money.get(name))


def _is_of(stage: str, cells: Iterable[CellName]) -> bool:
    """Whether a stage is one of these cells', or of all; others may have run here before."""
    name = stage.partition("@")[2]
    return not name or any(
        name == env or f"{name}-".startswith(f"{env}-{agent}-") for env, agent in cells
    )


def write_comparison(names: Sequence[str]) -> Path:
    """Compare this folder's run with experiments of this commit, all or those of these names.

    Raises:
        UserError: there is no such experiment, or a run lacks a file.
    """
    refs = experiments()
    unknown = sorted(set(names) - set(refs))
    if unknown or not refs:
        raise UserError(
            f"compare: expected experiments of this commit, it has {list(refs) or 'none'}"
            + (f", got {unknown}" if unknown else "")
            + ". Run `make variants`."
        )
    chosen = names or sorted(refs)
    money = Ledger().money_by_run() if ledger_file().is_file() else {}
    runs = [_read_run(WORKSPACE, None, money)]
    runs += [_read_run(name, refs[name], money) for name in chosen]
    write_text(PAGE, render_comparison(runs))
    return PAGE
