"""Snapshots of results: `metrics/published/NAME`, which no stage reads, and the README's table.

A snapshot holds the summary, the episodes, the plots, the params and the git revision. Publishing
again under a name replaces the rows of an (environment, agent) whole and leaves the others.
"""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from hintdistill.errors import UserError
from hintdistill.evaluation.metrics import EPISODE_COLUMNS
from hintdistill.evaluation.report import arms_table, comparisons_table
from hintdistill.records import write_json, write_text

METRICS = Path("metrics")
PUBLISHED = METRICS / "published"
WHOLE_PANEL_ONLY = "official"


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(
            f"{path}: expected a finished run's summary. Run `make run` first."
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: expected JSON: {error}. Run `dvc checkout`.") from None


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], capture_output=True, text=True, check=True).stdout.strip()


def _merge_episodes(old: Path, new: Path, replaced: set[tuple[str, str]]) -> str:
    """Rows of both files, those of the replaced (environment, agent) from the new one only."""
    lines = []
    for path, keep_replaced in ((old, False), (new, True)):
        if path.is_file():
            for row in csv.reader(path.read_text().splitlines()[1:]):
                if ((row[0], row[1]) in replaced) == keep_replaced:
                    lines.append(",".join(row))
    return "\n".join([EPISODE_COLUMNS, *lines]) + "\n"


def publish(name: str) -> Path:
    """Copy the current results to metrics/published/`name`.

    Raises:
        UserError: there are no results, or they are not those of the whole eval panel.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UserError(f"publish: expected a name of a-z, 0-9, - and _, got {name!r}")
    summary = _read_summary(METRICS / "summary.json")
    params = yaml.safe_load(Path("params.yaml").read_text())
    if name == WHOLE_PANEL_ONLY and (
        params["eval"]["split"] != "eval" or params["alfworld"]["source"] != "official"
    ):
        raise UserError(
            f"publish: {name!r} takes runs on the whole official eval panel only; this one has "
            f"eval.split {params['eval']['split']} and source {params['alfworld']['source']}."
        )
    folder = PUBLISHED / name
    old = _read_summary(folder / "summary.json") if folder.is_dir() else {}
    replaced = {(env, agent) for env, agents in summary.items() for agent in agents}
    for env, agent in sorted(replaced):
        old.setdefault(env, {})[agent] = summary[env][agent]
    episodes = _merge_episodes(folder / "episodes.csv", METRICS / "episodes.csv", replaced)
    write_text(folder / "episodes.csv", episodes)
    write_json(folder / "summary.json", old)
    shutil.copytree(METRICS / "plots", folder / "plots", dirs_exist_ok=True)
    shutil.copy(METRICS / "report.md", folder / "report.md")
    shutil.copy("params.yaml", folder / "params.yaml")
    write_text(folder / "revision.txt", _git("rev-parse", "HEAD") + "\n")
    return folder


def readme_tables(summary: dict[str, Any]) -> str:
    """The tables that README.md shows of a published summary."""
    parts = []
    for env, agents in sorted(summary.items()):
        for agent, cell in sorted(agents.items()):
            parts += [f"**{env}, {agent}**", arms_table(cell), comparisons_table(cell)]
    return "\n\n".join(parts)


def update_readme(name: str, readme: Path) -> None:
    """Put a snapshot's tables between its marks in the README, if it has marks for it."""
    begin, end = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
    text = readme.read_text(encoding="utf-8")
    if begin not in text:
        return
    head, rest = text.split(begin, 1)
    tail = rest.split(end, 1)[1]
    tables = readme_tables(_read_summary(PUBLISHED / name / "summary.json"))
    write_text(readme, f"{head}{begin}\n{tables}\n{end}{tail}")
