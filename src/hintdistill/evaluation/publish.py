"""Snapshots of results: `metrics/published/NAME`, which no stage reads, and the README's table.

A snapshot holds the summary, the episodes and the plots, and for each (environment, agent) the
params, the report, the warm start's size and the git revision of its run. Publishing again under a
name replaces what is of an (environment, agent) whole and leaves the others.
"""

import json
import re
from pathlib import Path
from typing import Any

from hintdistill.commands import git
from hintdistill.errors import UserError
from hintdistill.evaluation.report import arms_table, comparisons_table
from hintdistill.params import read_params
from hintdistill.records import write_json, write_text

METRICS = Path("metrics")
PUBLISHED = METRICS / "published"
TABLES = ("episodes.csv", "plots/arms.csv", "plots/types.csv", "plots/causes.csv")
WHOLE_PANEL_ONLY = "official"
# Tasks of the whole eval panel: ALFWorld's valid_unseen, and as many goals as papers have.
WHOLE_PANELS = {"alfworld": 134, "webshop": 100}
CODE = ("src", "prompts", "dvc.yaml", "requirements.lock")


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(
            f"{path}: expected a finished run's summary. Run `make run` first."
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: expected JSON: {error}. Run `dvc checkout`.") from None


def _revision() -> str:
    """HEAD, and whether what makes results differs from it."""
    head = git("rev-parse", "HEAD").strip()
    changed = git("status", "--porcelain", "--", *CODE)
    return head + (" with uncommitted changes" if changed else "")


def _merge_csv(old: Path, new: Path, replaced: set[tuple[str, str]]) -> str:
    """Rows of both files, those of the replaced (environment, agent) from the new one only."""
    header, *fresh = new.read_text().splitlines()
    kept = old.read_text().splitlines()[1:] if old.is_file() else []
    kept = [row for row in kept if tuple(row.split(",")[:2]) not in replaced]
    return "\n".join([header, *kept, *fresh]) + "\n"


def _require_whole_panel(params: dict[str, Any], summary: dict[str, Any]) -> None:
    """Refuse results that are not of all official eval games."""
    checks = [("eval.split", params.get("eval", {}).get("split"), "eval")]
    played = [
        (env, agent, arms) for env, agents in summary.items() for agent, arms in agents.items()
    ]
    checks += [] if played else [("results", "none", "some")]
    for env, agent, arms in played:
        tasks = WHOLE_PANELS.get(env)
        checks += [
            (f"{env}.source", params.get(env, {}).get("source"), "official"),
            (f"{env}.eval", params.get(env, {}).get("eval"), tasks),
            (f"n of {env}, {agent}", arms.get("base", {}).get("n"), tasks),
        ]
    for key, value, wanted in checks:
        if value != wanted:
            raise UserError(
                f"publish: {WHOLE_PANEL_ONLY!r} takes runs on the whole official eval panel only: "
                f"expected {key} {wanted}, got {value}. Choose another name."
            )


def publish(name: str) -> Path:
    """Copy the current results to metrics/published/`name`.

    Raises:
        UserError: there are no results, or they are not those of the whole eval panel.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UserError(f"publish: expected a name of a-z, 0-9, - and _, got {name!r}")
    summary = _read_summary(METRICS / "summary.json")
    if name == WHOLE_PANEL_ONLY:
        _require_whole_panel(read_params(), summary)
    for copied in (*TABLES, "report.md"):
        if not (METRICS / copied).is_file():
            raise UserError(f"{METRICS / copied}: expected a finished run's. Run `make run` first.")
    folder = PUBLISHED / name
    revision = _revision()
    known = folder / "summary.json"
    merged = _read_summary(known) if known.is_file() else {}
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
        write_text(folder / table, _merge_csv(folder / table, METRICS / table, replaced))
    write_json(known, merged)
    return folder


def readme_tables(summary: dict[str, Any]) -> str:
    """The tables that README.md shows of a published summary."""
    parts = []
    for env, agents in sorted(summary.items()):
        for agent, cell in sorted(agents.items()):
            parts += [f"**{env}, {agent}**", arms_table(cell), comparisons_table(cell)]
    return "\n\n".join(parts)


def update_readme(name: str, readme: Path) -> bool:
    """Put a snapshot's tables between its marks in the README; False where it has none for it."""
    begin, end = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
    text = readme.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        return False
    head, rest = text.split(begin, 1)
    tail = rest.split(end, 1)[1]
    tables = readme_tables(_read_summary(PUBLISHED / name / "summary.json"))
    write_text(readme, f"{head}{begin}\n{tables}\n{end}{tail}")
    return True
