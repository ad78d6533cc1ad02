"""The report in words and tables; every figure in it is one of the summary or of the audit."""

from typing import Any

from hintdistill.evaluation.causes import CauseRow, causes_table
from hintdistill.evaluation.metrics import ARMS, COMPARISONS
from hintdistill.evaluation.trials import trials_table
from hintdistill.records import HINT_SOURCE_SPLIT

ARM_WORDS = {
    "base": "no hints",
    "rag": "k retrieved hints in the prompt",
    "placebo_wrong_type": "k hints for another task type",
    "placebo_constant": "k irrelevant sentences",
    "sft": "LoRA on base's own successes, no hints",
    "distilled": "LoRA on the teacher's stripped successes, no hints",
}


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def share(row: dict[str, Any], key: str) -> str:
    """A share of 1 and its interval, in percent."""
    return f"{percent(row[key])} ({percent(row[f'{key}_lo'])} to {percent(row[f'{key}_hi'])})"


def points(difference: dict[str, Any]) -> str:
    diff, lo, hi = (f"{100 * difference[key]:+.1f}" for key in ("diff", "lo", "hi"))
    return f"{diff} ({lo} to {hi})"


def arms_table(cell: dict[str, Any]) -> str:
    """Markdown table: one row an arm; with the score, the mean reward, where it is graded."""
    graded = "compare_reward" in cell
    score = "score (95 %) | " if graded else ""
    lines = [
        f"| arm | | n | {score}success % (95 %) | steps | tokens | newly encoded | invalid |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |" + " --- |" * graded,
    ]
    for arm in ARMS:
        row = cell[arm]
        score = f"{share(row, 'reward')} | " if graded else ""
        lines.append(
            f"| {arm} | {ARM_WORDS[arm]} | {row['n']} | {score}{share(row, 'success')} "
            f"| {row['steps']:.1f} | {row['tokens']:.0f} | {row['tokens_new']:.0f} "
            f"| {row['invalid']:.1f} |"
        )
    return "\n".join(lines)


def comparisons_table(cell: dict[str, Any]) -> str:
    """Markdown table: differences in success, and in score where it is graded, in points."""
    graded = cell.get("compare_reward")
    lines = [
        "| difference | " + ("score, " if graded else "") + "points (95 %) | "
        + ("success, points (95 %) | " if graded else "") + "p (McNemar) |",
        "| --- | --- | --- |" + (" --- |" if graded else ""),
    ]  # fmt: skip
    for a, b in COMPARISONS:
        c = cell["compare"][f"{a}-{b}"]
        score = f"{points(graded[f'{a}-{b}'])} | " if graded else ""
        lines.append(f"| {a} - {b} | {score}{points(c)} | {p_value(c['p'])} |")
    return "\n".join(lines)


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _played_line(played: dict[str, Any]) -> str:
    models = ", ".join(f"`{name}`" for name in played["models"])
    same = "and on the same machine again it is the same, byte for byte"
    other = "by an engine that can't promise the same bytes again"
    return f"Played by {models}, {same if played['deterministic'] else other}."


def _audit_lines(audit: dict[str, Any]) -> str:
    shown = ["episodes", "kept", "leaks_in_prompt", "leaks_in_own_turns", "rows", "unlocked_rows"]
    shown += sorted(key for key in audit["sft"] if key.startswith("rows_sharing"))
    lines = ["| | sft (saw no hint) | distilled |", "| --- | --- | --- |"]
    for key in shown:
        words = key.replace("_", " ")
        lines.append(f"| {words} | {audit['sft'][key]} | {audit['distilled'][key]} |")
    return "\n".join(lines)


def _causes_lines(rows: list[CauseRow], split: str) -> list[str]:
    """Tables of the causes: all arms on the played split, base and teacher on train."""
    return [
        "### Why episodes failed",
        "Failed episodes that have a cause, and their share of the arm's episodes. The rules of "
        "`hints/diagnose.py` read each failed episode; an episode may have several causes. By task "
        "type: `metrics/plots/causes.csv`.",
        causes_table([row for row in rows if row.split == split]),
        "On the training tasks, before hints (`base`) and after (`rag`: the teacher):",
        causes_table([row for row in rows if row.split == HINT_SOURCE_SPLIT]),
    ]


def render_report(
    cells: dict[str, dict[str, Any]],
    trials: dict[str, dict[str, dict[str, Any]]],
    *,
    model: str,
    split: str,
    seed: int,
) -> str:
    """The whole report.

    Args:
        cells: by "environment, agent", `summary` (cell_summary's result), `audit` (audit.json's
            content), `causes` (cause_rows of all arms on `split`, of base and rag on train) and
            `played` (names of `models`; whether they are `deterministic`).
        trials: what was tried on split dev, by the same keys and the trial's name.
        model: what the base model is called, and how it was prepared.
        split: the split that was played.
        seed: of the rollouts.
    """
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
    for name, cell in cells.items():
        summary, audit = cell["summary"], cell["audit"]
        parts += [f"## {name}", _played_line(cell["played"])]
        parts += [arms_table(summary), comparisons_table(summary)]
        parts += _causes_lines(cell["causes"], split)
        parts += [
            "### Training rows",
            f"Episodes kept: `strip.keep: {audit['keep']}`"
            + (
                " (success, fewer than 2 invalid turns)."
                if audit["keep"] == "success"
                else " (failed episodes too: the students learn nothing worth having)."
            )
            + f" Planted hints that the leak audit found again: {audit['canaries_found']}, all of "
            "them. Rows sharing n words with a hint are counted, not dropped; the sft column is "
            "what chance gives.",
            _audit_lines(audit),
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
