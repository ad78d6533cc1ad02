"""Writes the report in words and tables; every figure in it is the cells' or the trials'."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hintdistill.core.records import HINT_SOURCE_SPLIT, Audit
from hintdistill.evaluation.arms import COMPARISONS, TABLE
from hintdistill.evaluation.causes import causes_table
from hintdistill.evaluation.figures import CauseRow, CellFigures, CellSummary, Comparison, TypeRow
from hintdistill.evaluation.markdown import (
    INTERVALS,
    interval,
    markdown_table,
    p_value,
    percent,
    points,
    signed,
)
from hintdistill.evaluation.trials import trials_table


class CellPage(NamedTuple):
    """One environment and agent as the report shows it."""

    name: str  # "environment, agent"
    summary: CellSummary
    types: Sequence[TypeRow]
    figures: CellFigures
    trials: Mapping[str, Mapping[str, Any]]  # by name


def arms_table(summary: CellSummary) -> str:
    """Markdown: a row an arm; with the score, the mean reward, where it is graded.

    With what a win costs, if the summary has it (older ones have not), and with the success of the
    worst and the best seed where an arm has several.
    """
    own_rows = [summary.arms[arm.name] for arm in TABLE]
    graded = summary.compare_reward is not None
    seeds = any(own.seeds for own in own_rows)
    costs = any(own.tokens_per_win is not None for own in own_rows)
    head = ["arm", "", "n", *(["score (95 %)"] * graded), "success % (95 %)"]
    head += [*(["seeds: success %"] * seeds), "steps", "tokens", "newly encoded"]
    rows = []
    for arm, own in zip(TABLE, own_rows, strict=True):
        row = [arm.name, arm.words, str(own.n)]
        if own.reward_lo is not None and own.reward_hi is not None:
            row.append(interval(own.reward, own.reward_lo, own.reward_hi))
        row.append(interval(own.success, own.success_lo, own.success_hi))
        if seeds and own.seed_min is not None and own.seed_max is not None:
            row.append(f"{own.seeds}: {percent(own.seed_min)} to {percent(own.seed_max)}")
        elif seeds:
            row.append("1")
        row += [f"{own.steps:.1f}", f"{own.tokens:.0f}", f"{own.tokens_new:.0f}"]
        if costs:
            row.append("-" if own.tokens_per_win is None else f"{own.tokens_per_win:.0f}")
        rows.append([*row, f"{own.invalid:.1f}"])
    return markdown_table([*head, *(["tokens a win"] * costs), "invalid"], rows)


def comparisons_table(summary: CellSummary) -> str:
    """Markdown: differences in success, and in score where it is graded, in points.

    Below it, what Holm's correction and the smallest difference are; not of older summaries, which
    have neither.
    """
    graded = summary.compare_reward
    tests = [summary.compare[f"{a}-{b}"] for a, b in COMPARISONS]
    success = "success, points (95 %)" if graded else "points (95 %)"
    flipped = any(test.test == "sign_flip" for test in tests)
    head = ["difference", *(["score, points (95 %)"] if graded else []), success]
    head.append("p (sign flips)" if flipped else "p (McNemar)")
    whole = all(test.p_holm is not None for test in tests)
    if whole:
        head += ["p (Holm)", "only one won", "pairs", "smallest shown"]
    rows = []
    for (a, b), test in zip(COMPARISONS, tests, strict=True):
        score = [points(graded[f"{a}-{b}"])] if graded else []
        row = [f"{a} - {b}", *score, points(test), p_value(test.p)]
        if test.p_holm is not None and test.smallest is not None:
            row += [p_value(test.p_holm), f"{test.only_a} : {test.only_b}"]
            row += [f"{test.effective:.0f} of {test.pairs}", percent(test.smallest)]
        rows.append(row)
    table = markdown_table(head, rows)
    return f"{table}\n\n{_below_comparisons(tests)}" if whole else table


def _below_comparisons(tests: Sequence[Comparison]) -> str:
    clusters = max(test.clusters or 0 for test in tests)
    return (
        f"Holm: for these {len(tests)} comparisons. Pairs: independent ones that tell as much as "
        f"all, of {clusters} clusters. Smallest shown: d of √n d = 1.96 √s + 0.84 √(s - d²), which "
        "80 % of experiments with n such pairs show (p < 0.05); s: share of pairs that differ, at "
        "least d (Connor 1987)."
    )


def _won_lines(summary: CellSummary) -> list[str]:
    """Steps and tokens where both arms won, so that how an arm loses does not count."""
    if summary.compare_won is None:
        return []
    head = ["difference", "pairs", "steps", "difference (95 %)", "tokens", "difference (95 %)"]
    rows = [
        [
            name.replace("-", " - "),
            str(won.n),
            f"{won.steps.a:.1f} - {won.steps.b:.1f}",
            signed(won.steps, 1),
            f"{won.tokens.a:.0f} - {won.tokens.b:.0f}",
            signed(won.tokens, 0),
        ]
        for name, won in summary.compare_won.items()
    ]
    return [
        "### What a win costs",
        "On the pairs of episodes that both arms won, bootstrap intervals over clusters. *Tokens a "
        "win*, in the first table, are all tokens of an arm, those of lost episodes too, by wins.",
        markdown_table(head, rows),
    ]


def types_table(rows: Sequence[TypeRow]) -> str:
    """Markdown: success in percent, wins and episodes by task type; a column an arm."""
    arms = list(dict.fromkeys(row.arm for row in rows))
    found = {(row.type, row.arm): row for row in rows}

    def cell(row: TypeRow) -> str:
        return f"{percent(row.success)} ({row.success * row.n:.0f} of {row.n})"

    types = sorted({row.type for row in rows})
    lines = [[name, *(cell(found[name, arm]) for arm in arms)] for name in types]
    return markdown_table(["task type", *arms], lines)


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


def render_report(pages: Sequence[CellPage], *, model: str, split: str, seed: int) -> str:
    """The whole report."""
    parts = ["# Report"]
    if split != "eval":
        parts.append(
            f"> **Not a result: split `{split}`, which is for choosing settings.** For figures to "
            "report, set `eval.split: eval` and run `dvc repro`."
        )
    parts.append(f"Model: {model}. Split: `{split}`, greedy decoding, seed {seed}. {INTERVALS}")
    for page in pages:
        models = ", ".join(f"`{model_name}`" for model_name in page.figures.models)
        same = "and on the same machine again it is the same, byte for byte"
        other = "by an engine that can't promise the same bytes again"
        parts += [
            f"## {page.name}",
            f"Played by {models}, {same if page.figures.deterministic else other}.",
            arms_table(page.summary),
            comparisons_table(page.summary),
            *_won_lines(page.summary),
            "### Success by task type",
            "Intervals: `metrics/plots/types.csv`.",
            types_table(page.types),
            *_causes_lines(page.figures.causes, split),
            *_audit_lines(page.figures.audit),
        ]
        if page.trials:
            parts += [
                "### How the settings were chosen",
                "On split `dev`, never on `eval`, by these trials (`metrics/trials/`, each kept by "
                "`hintdistill keep-trial`). Wanted was a base agent that wins 20 to 50 % and is "
                "helped by hints.",
                trials_table(page.trials),
            ]
    return "\n\n".join(parts) + "\n"
