"""Compares this run with this commit's experiments, on one page: metrics/variants.md."""

from collections.abc import Sequence
from pathlib import Path

import click

from hintdistill.commands.check import require_up_to_date
from hintdistill.commands.shared.shell import git, git_path
from hintdistill.commands.times import TIMES, noted
from hintdistill.commands.variants import clone_of
from hintdistill.core.cell import BankParams, Cell
from hintdistill.core.errors import UserError
from hintdistill.core.files import write_text
from hintdistill.core.params import PARAMS_FILE
from hintdistill.core.records import Hint
from hintdistill.core.yaml_file import parse_yaml
from hintdistill.evaluation.variants import Variant, flat_params, read_episodes, render_comparison
from hintdistill.llm.server.ledger import WORKSPACE, Ledger, ledger_file

PAGE = Path("metrics/variants.md")
EPISODES = "metrics/episodes.csv"


def _read(path: str, ref: str | None) -> str:
    """A file that git has: of an experiment, or of this folder."""
    if ref is not None:
        return git("show", f"{ref}:./{path}")
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: expected a finished run's: {error}. Run `dvc repro`.") from None


def _bank(cell: Cell, bank: str, name: str, ref: str | None) -> list[Hint]:
    """The hints that a run's agent was given, from this folder, the cache or a remote."""
    import dvc.api
    from dvc.exceptions import DvcException

    path = BankParams(bank=bank).path(cell)
    # Of a commit, DVC names files from the repository's root, which may be above this folder.
    place = Path(git_path("--show-prefix")) if ref else Path()
    try:
        text = dvc.api.read(str(place / path), rev=ref)
    except (DvcException, OSError) as error:
        raise UserError(f"{path} of {name}: expected a bank: {error}. Run `make pull`.") from None
    return [Hint.model_validate_json(line) for line in text.splitlines()]


def _read_run(name: str, ref: str | None, money: dict[str, float]) -> Variant:
    params = flat_params(parse_yaml(_read(str(PARAMS_FILE), ref), f"{PARAMS_FILE} of {name}"))
    episodes = read_episodes(_read(EPISODES, ref).splitlines())
    banks = {cell: _bank(Cell(*cell), params["hints.bank"], name, ref) for cell in episodes}

    def is_of_the_run(stage: str) -> bool:  # stages of other cells may have run here before
        item = stage.partition("@")[2]
        return not item or any(
            item == env or f"{item}-".startswith(f"{env}-{agent}-") for env, agent in episodes
        )

    times = noted((clone_of(name) if ref else Path()) / TIMES)
    own = [entry.seconds for stage, entry in times.items() if is_of_the_run(stage)]
    return Variant(name, params, episodes, banks, sum(own) if own else None, money.get(name))


def write_comparison(names: Sequence[str]) -> Path:
    """Compare this folder's run with experiments of this commit, all or those of these names."""
    head = git("rev-parse", "HEAD").strip()
    home = f"refs/exps/{head[:2]}/{head[2:]}/"
    found = git("for-each-ref", "--format=%(refname)", home).split()
    refs = {ref.removeprefix(home): ref for ref in found}
    unknown = sorted(set(names) - set(refs))
    if unknown or not refs:
        raise UserError(
            f"compare: expected experiments of this commit, it has {list(refs) or 'none'}"
            + (f", got {unknown}" if unknown else "")
            + ". Run `make variants`."
        )
    money = Ledger().money_by_run() if ledger_file().is_file() else {}
    runs = [_read_run(WORKSPACE, None, money)]
    runs += [_read_run(name, refs[name], money) for name in names or sorted(refs)]
    write_text(PAGE, render_comparison(runs))
    return PAGE


@click.command()
@click.argument("names", nargs=-1)
def command(names: tuple[str, ...]) -> None:
    """This run against experiments, all or NAMES, on one page: metrics/variants.md."""
    require_up_to_date("compare")
    click.echo(f"written: {write_comparison(names)}")
