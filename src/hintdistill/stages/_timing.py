"""How long stages take: noted as they end, shown as a table.

Times are about a machine, not about a result: they go to a file in `.scratch/`, which git and DVC
ignore, and into no record.
"""

import functools
import json
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from hintdistill.errors import UserError
from hintdistill.params import read_params
from hintdistill.records import SPLITS
from hintdistill.scratch import SCRATCH, Scratch

log = logging.getLogger(__name__)

TIMES = SCRATCH / "times.jsonl"
# The stages of dvc.yaml, in its order.
PIPELINE = (
    "panel", "base", "demos", "warmstart", "failures", "hints", "teacher", "strip", "train",
    "base_eval", "prompt_eval", "student_eval", "figures", "report",
)  # fmt: skip
# Of a demonstration and of an opening, with prompt and observations: means of profile official.
# What is not listed counts as the longest.
TOKENS = {
    ("alfworld", "react"): (807, 390),
    ("alfworld", "stateact"): (1406, 500),
    ("webshop", "react"): (577, 179),
    ("webshop", "stateact"): (949, 309),
}
# Share of the training tasks that become a student's rows; only a run can tell.
KEPT = 0.4


class StageTime(NamedTuple):
    """One finished stage."""

    stage: str  # as DVC names it
    seconds: float
    work: float
    resumed: bool  # it went on from an earlier run's progress, so that the time is not all of it


def work(stage: str) -> float:
    """How much a stage has to do by params.yaml: games, tokens to learn, or steps to play; or 1."""
    kind, _, cell = stage.partition("@")
    if not cell or kind in ("hints", "strip", "figures"):
        return 1
    params = read_params()
    env, agent, *_ = [*cell.split("-"), ""]
    panel = params[env]
    an_episode, an_opening = TOKENS.get((env, agent), max(TOKENS.values()))
    steps = min(panel["step_limit"], params["rollout"]["turn_limit"])
    demos = panel["warmstart"] * sum(params["demos"][k] for k in ("plain", "helpful", "useless"))
    openings = panel["warmstart"] * params["demos"]["openings"]
    if kind == "panel":
        return sum(panel[split] for split in SPLITS)
    if kind == "demos":
        return demos + openings
    if kind in ("failures", "teacher"):
        return panel["train"] * steps
    if kind in ("warmstart", "train"):
        sft = params[kind]
        rows = demos if kind == "warmstart" else panel["train"] * KEPT
        tokens = rows * min(an_episode, sft["max_length"])
        if kind == "warmstart":
            tokens += openings * min(an_opening, sft["max_length"])
        return tokens * sft["epochs"]
    return panel[params["eval"]["split"]] * steps


def timed(kind: str, command: Callable[..., None]) -> Callable[..., None]:
    """The command of a stage, which says and notes its time where it ends well."""

    @functools.wraps(command)
    def run(**options: str) -> None:
        cell = "-".join(options[key] for key in ("env", "agent", "arm") if key in options)
        stage = f"{kind}@{cell}" if cell else kind
        start = time.monotonic()
        command(**options)
        seconds = time.monotonic() - start
        log.info("stage %s: %.0f s", stage, seconds)
        try:
            note(StageTime(stage, round(seconds, 2), work(stage), Scratch.any_resumed))
        except (OSError, UserError, KeyError, TypeError) as error:
            log.warning("%s: the time could not be noted: %r", TIMES, error)  # the stage is done

    return run


def note(entry: StageTime) -> None:
    TIMES.parent.mkdir(exist_ok=True)
    with TIMES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry._asdict()) + "\n")


def noted(path: Path = TIMES) -> dict[str, StageTime]:
    """The latest time of each stage on this machine, in the order of the pipeline.

    A time that is not all of a stage's counts only where there is no other.
    """
    latest: dict[str, StageTime] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            entry = StageTime(**json.loads(line))
        except (ValueError, TypeError):
            raise UserError(
                f"{path}, line {number}: expected a stage's time, got {line[:80]!r}. "
                "Remove the file; it holds nothing but times."
            ) from None
        if not entry.resumed or latest.get(entry.stage, entry).resumed:
            latest[entry.stage] = entry
    return dict(sorted(latest.items(), key=lambda item: pipeline_place(item[0])))


def pipeline_place(stage: str) -> tuple[int, str]:
    """Sorts stages in the order of the pipeline; one that is gone from it comes last."""
    kind = stage.partition("@")[0]
    return (PIPELINE.index(kind) if kind in PIPELINE else len(PIPELINE), stage)


def table(rows: Iterable[tuple[str, float, str]]) -> str:
    """Lines of stage, seconds and a remark, with the total."""
    rows = list(rows)
    rows.append(("total", sum(seconds for _, seconds, _ in rows), ""))
    width = max(len(stage) for stage, _, _ in rows)
    return "\n".join(f"{stage:{width}} {s:8.0f} s  {remark}".rstrip() for stage, s, remark in rows)


def times_text() -> str:
    """The last time of each stage, as it is shown."""
    rows = [
        (entry.stage, entry.seconds, "went on from a stopped run" if entry.resumed else "")
        for entry in noted().values()
    ]
    return table(rows) if rows else "No stage has run here yet."
