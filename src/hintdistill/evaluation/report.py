"""Writes the report in words and tables; every figure in it is the cells' or the trials'."""

from collections.abc import Mapping, Sequence
from typing import Any

from hintdistill.core.records import HINT_SOURCE_SPLIT, Audit
from hintdistill.evaluation.arms import COMPARISONS, TABLE
from hintdistill.evaluation.causes import causes_table
from hintdistill.evaluation.figures import CauseRow, CellFigures, CellSummary
from hintdistill.evaluation.markdown import interval, markdown_table, p_value, points
from hintdistill.evaluation.trials import trials_table


def arms_table(summary: CellSummary) -> str:
    """Markdown: a row an arm; with the score, the mean reward, where it is graded."""
    graded = summary.compare_reward is not None
    head = ["arm", "", "n", *(["score (95 %)"] * graded), "success % (95 %)", "steps", "tokens"]
    rows = []
    for arm in TABLE:
        own = summary.arms[arm.name]
        row = [arm.name, arm.words, str(own.n)]
        if own.reward_lo is not None and own.reward_hi is not None:
            row.append(interval(own.reward, own.reward_lo, own.reward_hi))
        row += [interval(own.success, own.success_lo, own.success_hi), f"{own.steps:.1f}"]
        row += [f"{own.tokens:.0f}", f"{own.tokens_new:.0f}", f"{own.invalid:.1f}"]
        rows.append(row)
    return markdown_table([*head, "newly encoded", "invalid"], rows)


def comparisons_table(summary: CellSummary) -> str:
    """Markdown: differences in success, and in score where it is graded, in points."""
    graded = summary.compare_reward
    success = "success, points (95 %)" if graded else "points (95 %)"
    head = ["difference", *(["score, points (95 %)"] if graded else []), success, "p (McNemar)"]
    rows = []
    for name in (f"{a}-{b}" for a, b in COMPARISONS):
        test = summary.compare[name]
        score = [points(graded[name])] if graded else []
        rows.append([name.replace("-", " - "), *score, points(test), p_value(test.p)])
    return markdown_table(head, rows)


def _audit_lines(audit: Audit) -> list[str]:
    sft, distilled = audit.sft.model_dump(), audit.distilled.model_dump()
    shown = ["episodes", "kept", "leaks_in_prompt", "leaks_in_own_turns", "rows", "unlocked_rows"]
    shown += sorted(key for key in sft if key.startswith("rows_sharing"))
    kept = (
        "(success, fewer than 2 invalid turns)."
        if audit.keep == "success"
        else "(failed episodes too: the students learn nothing worth having)."
    )
    rows = [[key.replace("_", " "), str(sft[key]), str(distilled[key])] for key in shown]
    return [
        "### Training rows",
        f"Episodes kept: `strip.keep: {audit.keep}` {kept} Planted hints that the leak audit found "
        f"again: {audit.canaries_found}, all of them. Rows sharing n words with a hint are "
        "counted, not dropped; the sft column is what chance gives.",
        markdown_table(["", "sft (saw no hint)", "distilled"], rows),
    ]


def _causes_lines(rows: Sequence[CauseRow], split: str) -> list[str]:
    """Tables of the causes: all arms on the played split, base and teacher on train."""
    return [
        "### Why episodes failed",
        "Failed episodes that have a cause, and their share of the arm's episodes. The "
        "environment's rules read each failed episode; an episode may have several causes. By task "
        "type: `metrics/plots/causes.csv`.",
        causes_table([row for row in rows if row.split == split]),
        "On the training tasks, before hints (`base`) and after (`rag`: the teacher):",
        causes_table([row for row in rows if row.split == HINT_SOURCE_SPLIT]),
    ]


def render_report(
    cells: Mapping[str, CellFigures],
    trials: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    model: str,
    split: str,
    seed: int,
) -> str:
    """The whole report; `cells` and `trials` are by "environment, agent", trials then by name."""
    parts = ["# Report"]
    if split != "eval":
        parts.append(
            f"> **Not a result: split `{split}`, which is for choosing settings.** For figures to "
            "report, set `eval.split: eval` and run `dvc repro`."
        )
    parts.append(
        f"Model: {model}. Split: `{split}`, one episode a task, greedy decoding, seed {seed}. "
        "Intervals are 95 %: Wilson for rates, bootstrap over tasks for differences; p is "
        "McNemar's, exact and two-sided."
    )
    for name, figures in cells.items():
        models = ", ".join(f"`{model_name}`" for model_name in figures.models)
        same = "and on the same machine again it is the same, byte for byte"
        other = "by an engine that can't promise the same bytes again"
        parts += [
            f"## {name}",
            f"Played by {models}, {same if figures.deterministic else other}.",
            arms_table(figures.summary),
            comparisons_table(figures.summary),
            *_causes_lines(figures.causes, split),
            *_audit_lines(figures.audit),
        ]
        if trials[name]:
            parts += [
                "### How the settings were chosen",
                "On split `dev`, never on `eval`, by these trials (`metrics/trials/`, each kept by "
                "`hintdistill keep-trial`). Wanted was a base agent that wins 20 to 50 % and is "
                "helped by hints.",
                trials_table(trials[name]),
            ]
    return "\n\n".join(parts) + "\n"
