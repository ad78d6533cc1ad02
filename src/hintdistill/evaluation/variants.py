"""Variants against each other: arms on the same tasks, cost, parameters, and banks of hints."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from rapidfuzz import fuzz

from hintdistill.evaluation.metrics import ARMS
from hintdistill.evaluation.report import p_value, percent, points, share
from hintdistill.evaluation.stats import bootstrap_mean, compare, differences, wilson
from hintdistill.records import Hint

REWORDED = 70  # rapidfuzz's ratio of two texts that are one hint in other words
CellName = tuple[str, str]  # environment, agent


class Played(NamedTuple):
    """One episode's line of episodes.csv, as far as it is compared."""

    success: int
    reward: float
    steps: int
    tokens: int
    tokens_new: int


class Variant(NamedTuple):
    """One run: its parameters by dotted key, its episodes and its banks."""

    name: str
    params: dict[str, Any]
    episodes: dict[CellName, dict[str, dict[str, Played]]]  # by arm and task_id
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


def read_episodes(lines: Iterable[str]) -> dict[CellName, dict[str, dict[str, Played]]]:
    """Lines of episodes.csv by cell, arm and task."""
    found: dict[CellName, dict[str, dict[str, Played]]] = {}
    for row in csv.DictReader(lines):
        played = Played(
            int(row["success"]), float(row["reward"]),
            *(int(row[key]) for key in ("steps", "tokens", "tokens_new")),
        )  # fmt: skip
        arms = found.setdefault((row["env"], row["agent"]), {})
        arms.setdefault(row["arm"], {})[row["task_id"]] = played
    return found


def _row(name: str, own: Mapping[str, Played], base: Mapping[str, Played], graded: bool) -> str:
    """One variant's line: what it played, and how it differs from the baseline on its tasks."""
    played = list(own.values())
    lo, hi = wilson(sum(p.success for p in played), len(played))
    rate = {"success": fmean(p.success for p in played), "success_lo": lo, "success_hi": hi}
    cells = [name, str(len(played)), share(rate, "success")]
    if own.keys() != base.keys():
        difference = ["other tasks", ""] + [""] * graded
    elif own is base:
        difference = ["", ""] + [""] * graded
    else:
        pairs = [(own[task], base[task]) for task in sorted(own)]
        gained = compare([a.success for a, _ in pairs], [b.success for _, b in pairs])
        difference = [points(gained._asdict()), p_value(gained.p)]
        if graded:
            diffs = differences([a.reward for a, _ in pairs], [b.reward for _, b in pairs])
            interval = bootstrap_mean(diffs)._asdict()
            difference.insert(0, points({"diff": fmean(diffs), **interval}))
    if graded:
        cells.insert(2, percent(fmean(p.reward for p in played)))
    means = (fmean(getattr(p, key) for p in played) for key in ("steps", "tokens", "tokens_new"))
    steps, tokens, tokens_new = means
    cells += [*difference, f"{steps:.1f}", f"{tokens:.0f}", f"{tokens_new:.0f}"]
    return f"| {' | '.join(cells)} |"


def _arm_table(arm: str, cell: CellName, variants: Sequence[Variant]) -> str:
    """Markdown: one arm of one cell, the baseline first; one line if all played it alike."""
    shown = {v.name: v.episodes[cell][arm] for v in variants if arm in v.episodes.get(cell, {})}
    if not shown:
        return f"Arm `{arm}` was not played."
    first = next(iter(shown.values()))
    if all(own == first for own in shown.values()):
        rate = percent(fmean(p.success for p in first.values()))
        return f"Arm `{arm}`: the same episodes in all, {rate} % of {len(first)}."
    graded = any(0 < p.reward < 1 for own in shown.values() for p in own.values())
    head = ["variant", "n", *(["score %"] * graded), "success % (95 %)"]
    head += [*(["score: points (95 %)"] * graded), "success: points (95 %)", "p (McNemar)"]
    head += ["steps", "tokens", "newly encoded"]
    lines = [f"Arm `{arm}`; differences are from `{variants[0].name}`, on the same tasks:", ""]
    lines += [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    return "\n".join(lines + [_row(name, own, first, graded) for name, own in shown.items()])


def bank_changes(old: Sequence[Hint], new: Sequence[Hint]) -> list[str]:
    """Lines that say which hints were added, dropped or reworded, type by type."""
    was, now = ({(hint.type, hint.text) for hint in bank} for bank in (old, new))
    dropped, added = sorted(was - now), sorted(now - was)
    lines = []
    for kind, text in list(added):
        alike = [(fuzz.ratio(text, t), t) for k, t in dropped if k == kind]
        best = max(alike, default=(0, ""))
        if best[0] >= REWORDED:
            lines.append(f"- reworded, {kind}: {best[1]} -> {text}")
            dropped.remove((kind, best[1]))
            added.remove((kind, text))
    lines += [f"- added, {kind}: {text}" for kind, text in added]
    return lines + [f"- dropped, {kind}: {text}" for kind, text in dropped]


def _changes_table(variants: Sequence[Variant]) -> str:
    """Markdown: which parameters each variant changes, its cost and the size of its banks."""
    baseline = variants[0]
    lines = ["| variant | parameters | hints | minutes | money |", "|" + " --- |" * 5]
    for variant in variants:
        keys = sorted(variant.params.keys() | baseline.params.keys())
        changed = [
            f"`{key}: {variant.params.get(key)}`"
            for key in keys
            if variant.params.get(key) != baseline.params.get(key)
        ]
        hints = ", ".join(str(len(bank)) for bank in variant.banks.values())
        minutes = "" if variant.seconds is None else f"{variant.seconds / 60:.0f}"
        money = "" if variant.money is None else f"{variant.money:.4f}"
        lines.append(f"| {variant.name} | {', '.join(changed)} | {hints} | {minutes} | {money} |")
    return "\n".join(lines)


def render_comparison(variants: Sequence[Variant]) -> str:
    """The page; the first variant is the baseline."""
    baseline = variants[0]
    parts = [
        "# Variants",
        "Success rates with Wilson intervals; differences with bootstrap intervals over tasks, and "
        "McNemar's exact p; no correction for several comparisons. Steps and tokens are means an "
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
