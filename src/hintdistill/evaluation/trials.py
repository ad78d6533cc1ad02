"""The trials by which settings were chosen: figures on split dev, kept with their parameters.

A trial is the arms that were played with `eval.split: dev`, base and rag at least. It is kept in
`metrics/trials/`, in git, and the report lists all of them, so that anyone can see that
the settings were not chosen on `eval`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hintdistill.core.errors import UserError
from hintdistill.evaluation.markdown import markdown_table, percent

TRIALS = Path("metrics/trials")


def read_trials(env: str, agent: str) -> dict[str, dict[str, Any]]:
    """All trials of an environment and agent, by name; a UserError where a file is none."""
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
    """Markdown table: a row a trial, with the settings (`block.key`) in which they differ."""
    params = [trial["params"] for trial in trials.values()]
    keys = sorted({(block, key) for blocks in params for block in blocks for key in blocks[block]})
    shown = [key for key in keys if len({_setting(blocks, *key) for blocks in params}) > 1]
    head = ["trial", *map(".".join, shown), "hints", "n", "base %", "rag %"]
    rows = []
    for name, trial in trials.items():
        settings = [_setting(trial["params"], *key) for key in shown]
        rates = [percent(trial[arm]["success"]) for arm in ("base", "rag")]
        c = trial["compare"]["rag-base"]
        points = f"{100 * c['diff']:+.1f} ({100 * c['lo']:+.1f} to {100 * c['hi']:+.1f})"
        chosen = "chosen" if trial["chosen"] else ""
        hints = trial.get("bank", {}).get("hints", "-")  # older trials did not note it
        counts = [str(hints), str(trial["base"]["n"])]
        rows.append([name, *settings, *counts, *rates, points, chosen])
    return markdown_table([*head, "rag - base, points (95 %)", ""], rows)


def _setting(params: Mapping[str, Any], block: str, key: str) -> str:
    """A parameter's value as the table shows it; a dash where the trial had none of that name."""
    return str(params.get(block, {}).get(key, "-"))
