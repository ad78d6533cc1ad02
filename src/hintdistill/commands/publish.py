"""Publishes results: a snapshot in `metrics/published/NAME`, and the tables of README and docs.

A snapshot holds the summary, the episodes and the plots, and for each (environment, agent) the
params, the report, the warm start's size and the git revision of its run. Publishing again under a
name replaces what is of an (environment, agent) whole and leaves the others.
"""

import re
from pathlib import Path
from typing import Any

import click

from hintdistill.commands.check import require_up_to_date
from hintdistill.commands.shared.shell import git
from hintdistill.core.errors import UserError
from hintdistill.core.files import read_figures, write_json, write_text
from hintdistill.core.params import read_params
from hintdistill.environments.common.registry import games_of
from hintdistill.evaluation.figures import CellSummary
from hintdistill.evaluation.report import arms_table, comparisons_table

METRICS = Path("metrics")
PUBLISHED = METRICS / "published"
TABLES = ("episodes.csv", "plots/arms.csv", "plots/types.csv", "plots/causes.csv")
WHOLE_PANEL_ONLY = "official"
PAGES = (Path("README.md"), Path("docs/results.md"))
CODE = ("src", "prompts", "dvc.yaml", "requirements.lock")


def _require_whole_panel(params: dict[str, Any], summary: dict[str, Any]) -> None:
    """Refuse results that are not of all official eval games."""
    found_and_wanted: dict[str, tuple[object, object]] = {}
    found_and_wanted["eval.split"] = (params.get("eval", {}).get("split"), "eval")
    if not any(summary.values()):
        found_and_wanted["results"] = ("none", "some")
    for env, agents in summary.items():
        own, official = params.get(env, {}), games_of(env).official or {"source": "official"}
        tasks = official.get("eval")
        found_and_wanted |= {f"{env}.{key}": (own.get(key), official[key]) for key in official}
        for agent, arms in agents.items():
            found_and_wanted[f"n of {env}, {agent}"] = (arms.get("base", {}).get("n"), tasks)
    for key, (value, wanted) in found_and_wanted.items():
        if value != wanted:
            raise UserError(
                f"publish: {WHOLE_PANEL_ONLY!r} takes runs on the whole official eval panel only: "
                f"expected {key} {wanted}, got {value}. Choose another name."
            )


def publish(name: str) -> Path:
    """Copy the current results to metrics/published/`name`.

    A UserError where there are none, or `official` would not be the whole official eval panel.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UserError(f"publish: expected a name of a-z, 0-9, - and _, got {name!r}")
    summary = read_figures(METRICS / "summary.json")
    if name == WHOLE_PANEL_ONLY:
        _require_whole_panel(read_params(), summary)
    for copied in (*TABLES, "report.md"):
        if not (METRICS / copied).is_file():
            raise UserError(f"{METRICS / copied}: expected a finished run's. Run `make run` first.")
    folder = PUBLISHED / name
    revision = git("rev-parse", "HEAD").strip()
    if git("status", "--porcelain", "--", *CODE):
        revision += " with uncommitted changes"
    known = folder / "summary.json"
    merged = read_figures(known) if known.is_file() else {}
    replaced = {(env, agent) for env, agents in summary.items() for agent in agents}
    for env, agent in sorted(replaced):
        merged.setdefault(env, {})[agent] = summary[env][agent]
        cell = folder / f"{env}-{agent}"
        write_text(cell / "revision.txt", revision + "\n")
        copies = {"report.md": METRICS / "report.md", "params.yaml": Path("params.yaml")}
        warmstart = METRICS / env / agent / "warmstart/metrics.json"
        if warmstart.is_file():  # there is none of a model that needs no warm start
            copies["warmstart.json"] = warmstart
        for name_there, path in copies.items():
            write_text(cell / name_there, path.read_text(encoding="utf-8"))
    for table in TABLES:
        header, *rows = (METRICS / table).read_text().splitlines()
        old = (folder / table).read_text().splitlines()[1:] if (folder / table).is_file() else []
        kept = [row for row in old if tuple(row.split(",")[:2]) not in replaced]
        write_text(folder / table, "\n".join([header, *kept, *rows]) + "\n")
    write_json(known, merged)
    return folder


def tables_of(summary: dict[str, Any], only: str = "") -> str:
    """The tables of a published summary; `only`: of one cell, as in "alfworld-react"."""
    parts = []
    for env, agents in sorted(summary.items()):
        for agent, cell in sorted(agents.items()):
            if only in ("", f"{env}-{agent}"):
                figures = CellSummary.of_nested(cell)
                parts += [f"**{env}, {agent}**", arms_table(figures), comparisons_table(figures)]
    return "\n\n".join(parts)


def update_page(name: str, page: Path) -> bool:
    """Put a snapshot's tables between its marks in a page; False where it has none for it.

    The marks are `<!-- results:NAME -->` or `<!-- results:NAME ENV-AGENT -->`, and the same with a
    slash.
    """
    begin, end = rf"<!-- results:{name} ?([a-z0-9-]*) -->", f"<!-- /results:{name} -->"
    text = page.read_text(encoding="utf-8")
    summary = read_figures(PUBLISHED / name / "summary.json")

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}\n{tables_of(summary, found[2])}\n{end}"

    filled, count = re.subn(f"({begin}).*?{end}", fill, text, flags=re.DOTALL)
    if count:
        write_text(page, filled)
    return bool(count)


@click.command()
@click.option("--name", required=True, help="Snapshot's name, as in `cpu`.")
def command(name: str) -> None:
    """Snapshot the current results in metrics/published/, and show them in README and docs."""
    require_up_to_date("publish")
    click.echo(f"published to {publish(name)}")
    for page in PAGES:
        if update_page(name, page):
            click.echo(f"{page} has its tables")
