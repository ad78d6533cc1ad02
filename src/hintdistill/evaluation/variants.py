"""Compares variants: arms on the same tasks, cost, parameters, and banks of hints."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from hintdistill.core.records import Hint
from hintdistill.evaluation.arms import ARMS
from hintdistill.evaluation.figures import EpisodeRow
from hintdistill.evaluation.markdown import (
    INTERVALS,
    interval,
    markdown_table,
    p_value,
    percent,
    points,
)
from hintdistill.evaluation.pairs import comparable, compare_means, compare_success, pairs_of
from hintdistill.evaluation.stats import cluster_of, rate

REWORDED = 70  # rapidfuzz's ratio of two texts that are one hint in other words
CellName = tuple[str, str]  # environment, agent


class Variant(NamedTuple):
    """One run: its parameters by dotted key, its episodes and its banks."""

    name: str
    params: dict[str, Any]
    episodes: dict[CellName, dict[str, list[EpisodeRow]]]  # by cell and arm
    banks: dict[CellName, list[Hint]]
    seconds: float | None  # that its stages took on this machine; None: not known here
    money: float | None  # that its calls of a server cost from here; None: there were none


def flat_params(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Parameters by dotted key, without the table of variants."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            found |= flat_params(value, f"{prefix}{key}.") if f"{prefix}{key}" != "variants" else {}
        else:
            found[f"{prefix}{key}"] = value
    return found


def read_episodes(lines: Iterable[str]) -> dict[CellName, dict[str, list[EpisodeRow]]]:
    """Lines of episodes.csv by cell and arm."""
    found: dict[CellName, dict[str, list[EpisodeRow]]] = {}
    for line in csv.DictReader(lines):
        row = EpisodeRow(*(kind(line[key]) for key, kind in EpisodeRow.__annotations__.items()))
        arms = found.setdefault((row.env, row.agent), {})
        arms.setdefault(row.arm, []).append(row)
    return found


def _row(name: str, own: list[EpisodeRow], base: list[EpisodeRow], graded: bool) -> list[str]:
    """One variant's line: what it played, and how it differs from the baseline on its tasks."""
    wins = [row.success for row in own]
    score = [percent(fmean(row.reward for row in own))] if graded else []
    success = interval(fmean(wins), *rate(wins, [cluster_of(row.task_id) for row in own]))
    if not comparable(own, base):
        difference = ["other tasks", ""] + [""] * graded
    elif own is base:
        difference = ["", ""] + [""] * graded
    else:
        pairs = pairs_of(own, base)
        test = compare_success(pairs)
        difference = [points(test), p_value(test.p)]
        if graded:
            difference.insert(0, points(compare_means(pairs, "reward")))
    steps = f"{fmean(row.steps for row in own):.1f}"
    tokens = f"{fmean(row.tokens for row in own):.0f}"
    tokens_new = f"{fmean(row.tokens_new for row in own):.0f}"
    return [name, str(len(own)), *score, success, *difference, steps, tokens, tokens_new]


def _arm_table(arm: str, cell: CellName, variants: Sequence[Variant]) -> str:
    """Markdown: one arm of one cell, the baseline first; one line if all played it alike."""
    shown = {v.name: v.episodes[cell][arm] for v in variants if arm in v.episodes.get(cell, {})}
    if not shown:
        return f"Arm `{arm}` was not played."
    first = next(iter(shown.values()))
    if all(own == first for own in shown.values()):
        won = percent(fmean(row.success for row in first))
        return f"Arm `{arm}`: the same episodes in all, {won} % of {len(first)}."
    graded = any(0 < row.reward < 1 for own in shown.values() for row in own)
    head = ["variant", "n", *(["score %"] * graded), "success % (95 %)"]
    head += [*(["score: points (95 %)"] * graded), "success: points (95 %)", "p"]
    head += ["steps", "tokens", "newly encoded"]
    rows = [_row(name, own, first, graded) for name, own in shown.items()]
    intro = f"Arm `{arm}`; differences are from `{variants[0].name}`, on the same tasks:"
    return f"{intro}\n\n{markdown_table(head, rows)}"


def bank_changes(old: Sequence[Hint], new: Sequence[Hint]) -> list[str]:
    """Lines that say which hints were added, dropped or reworded, type by type."""
    from rapidfuzz import fuzz

    was, now = ({(hint.type, hint.text) for hint in bank} for bank in (old, new))
    dropped, added = sorted(was - now), sorted(now - was)
    lines = []
    for kind, text in list(added):
        alike = [(fuzz.ratio(text, t), t) for k, t in dropped if k == kind]
        ratio, reworded = max(alike, default=(0, ""))
        if ratio >= REWORDED:
            lines.append(f"- reworded, {kind}: {reworded} -> {text}")
            dropped.remove((kind, reworded))
            added.remove((kind, text))
    lines += [f"- added, {kind}: {text}" for kind, text in added]
    return lines + [f"- dropped, {kind}: {text}" for kind, text in dropped]


def _changes_table(variants: Sequence[Variant]) -> str:
    """Markdown: which parameters each variant changes, its cost and the size of its banks."""
    baseline, rows = variants[0].params, []
    for variant in variants:
        own = variant.params
        changed = [key for key in sorted(own | baseline) if own.get(key) != baseline.get(key)]
        hints = ", ".join(str(len(bank)) for bank in variant.banks.values())
        minutes = "" if variant.seconds is None else f"{variant.seconds / 60:.0f}"
        money = "" if variant.money is None else f"{variant.money:.4f}"
        said = ", ".join(f"`{key}: {own.get(key)}`" for key in changed)
        rows.append([variant.name, said, hints, minutes, money])
    return markdown_table(["variant", "parameters", "hints", "minutes", "money"], rows)


def render_comparison(variants: Sequence[Variant]) -> str:
    """The page; the first variant is the baseline."""
    baseline = variants[0]
    parts = [
        "# Variants",
        f"{INTERVALS} No correction for several comparisons. Steps and tokens are means an "
        "episode. Minutes: what the variant's own stages took on this machine, where it ran here. "
        "Money: all calls of a server that the ledger has under the variant's name, whichever "
        "commit or clone made them, at the prices of the time; what the cache had cost nothing.",
        _changes_table(variants),
    ]
    for cell in sorted(baseline.episodes):
        parts.append(f"## {', '.join(cell)}")
        parts += [_arm_table(arm, cell, variants) for arm in ARMS]
        for variant in variants[1:]:
            changes = bank_changes(baseline.banks.get(cell, []), variant.banks.get(cell, []))
            if changes:
                parts.append("\n".join([f"Bank of `{variant.name}`:", "", *changes]))
    return "\n\n".join(parts) + "\n"
