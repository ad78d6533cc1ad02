"""Markdown tables, and how figures are written in them."""

from collections.abc import Sequence

from hintdistill.evaluation.figures import Difference


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; "" in `head` is a column without a name."""
    lines = ["|" + "".join(f" {name} |" if name else " |" for name in head)]
    lines.append("|" + " --- |" * len(head))
    lines += [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join(lines)


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def interval(share: float, lo: float, hi: float) -> str:
    """A share of 1 and its interval, in percent."""
    return f"{percent(share)} ({percent(lo)} to {percent(hi)})"


def points(difference: Difference) -> str:
    """A difference and its interval, in percentage points."""
    diff, lo, hi = (f"{100 * x:+.1f}" for x in (difference.diff, difference.lo, difference.hi))
    return f"{diff} ({lo} to {hi})"


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
