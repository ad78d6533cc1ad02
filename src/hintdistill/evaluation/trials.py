"""What was tried while settings were chosen: figures on split dev, kept with their parameters.

A trial is the arms that were played with `eval.split: dev`, base and rag at least. It is kept in
`metrics/trials/`, in git, and the report lists all of them, so that anyone can see that
the settings were not chosen on `eval`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hintdistill.agents.registry import AGENTS
from hintdistill.errors import UserError
from hintdistill.evaluation.metrics import Arms, cell_summary, check_same_tasks
from hintdistill.records import write_json

TRIALS = Path("metrics/trials")
# Of the parameters, these say nothing about a setting that is chosen; nor do other agents' blocks.
NOT_CHOSEN = {"envs", "agents", "eval", "llm", "variants"}


def keep_trial(
    name: str,
    env: str,
    agent: str,
    arms: Arms,
    bank: Mapping[str, Any],
    params: Mapping[str, Any],
    *,
    chosen: bool,
) -> Path:
    """Write a trial's figures and parameters to metrics/trials.

    Args:
        arms: the episodes that were played on `dev`, by arm; `base` and `rag` are among them.
        bank: figures of the bank that the hints were retrieved from, as stage `hints` writes them.
        params: the whole content of params.yaml.

    Raises:
        UserError: the name can't be a file's, or the arms did not play the same tasks.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UserError(f"trial: expected a name of a-z, 0-9, - and _, got {name!r}")
    check_same_tasks(arms, f"trial {name}")
    left_out = (NOT_CHOSEN | set(AGENTS)) - {agent}
    settings = {key: block for key, block in params.items() if key not in left_out}
    path = TRIALS / f"{env}-{agent}" / f"{name}.json"
    if path.exists():
        raise UserError(f"{path}: there is a trial of that name; choose another, or remove it")
    write_json(path, {"chosen": chosen, "params": settings, "bank": bank, **cell_summary(arms)})
    return path


def read_trials(env: str, agent: str) -> dict[str, dict[str, Any]]:
    """All trials of an environment and agent, by name.

    Raises:
        UserError: a file is not a trial.
    """
    trials = {}
    for path in sorted((TRIALS / f"{env}-{agent}").glob("*.json")):
        try:
            trials[path.stem] = json.loads(path.read_text(encoding="utf-8"))
            trials_table({path.stem: trials[path.stem]})
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: expected a trial, as `hintdistill keep-trial` writes it: {error!r:.80}. "
                "Restore it with `git checkout`."
            ) from None
    return trials


def trials_table(trials: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown table: a row a trial, with the settings in which they differ."""
    differing = _settings_that_differ(list(trials.values()))
    lines = [
        "| trial | " + "".join(f"{key} | " for key in differing) + "hints | n | base % | rag % "
        "| rag - base, points (95 %) | |",
        "| --- |" + " --- |" * (len(differing) + 6),
    ]
    for name, trial in trials.items():
        settings = "".join(f"{_setting(trial, key)} | " for key in differing)
        rates = " | ".join(f"{100 * trial[arm]['success']:.1f}" for arm in ("base", "rag"))
        c = trial["compare"]["rag-base"]
        points = f"{100 * c['diff']:+.1f} ({100 * c['lo']:+.1f} to {100 * c['hi']:+.1f})"
        chosen = "chosen" if trial["chosen"] else ""
        hints = trial.get("bank", {}).get("hints", "-")  # older trials did not note it
        figures = f"{hints} | {trial['base']['n']} | {rates} | {points} | {chosen}"
        lines.append(f"| {name} | {settings}{figures} |")
    return "\n".join(lines)


def _settings_that_differ(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """The parameters (`block.key`) that do not have the same value in all trials."""
    keys = {f"{block}.{key}" for t in trials for block, ks in t["params"].items() for key in ks}
    return sorted(key for key in keys if len({_setting(trial, key) for trial in trials}) > 1)


def _setting(trial: Mapping[str, Any], key: str) -> str:
    """A parameter's value as the table shows it; a dash where the trial had none of that name."""
    block, name = key.split(".", 1)
    return str(trial["params"].get(block, {}).get(name, "-"))
