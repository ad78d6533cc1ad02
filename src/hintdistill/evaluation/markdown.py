"""Markdown tables, and how figures are written in them."""

from collections.abc import Sequence

from hintdistill.evaluation.figures import Difference

# How stats.py computes what stands in tables, for the reader of any page that has them.
INTERVALS = (
    "Intervals are 95 %. Seeds of one task, and tasks of one cluster (ALFWorld's task folder, "
    "WebShop's product), are not taken as independent: intervals of success (Wilson's) and of its "
    "differences (Tango's) are of the effective number of episodes, other means have a bootstrap "
    "over clusters. p is exact and two-sided, by sign flips of whole clusters; where each cluster "
    "is one pair, that is McNemar's test."
)


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


def signed(difference: Difference, digits: int, factor: int = 1) -> str:
    """A difference and its interval."""
    ends = (difference.diff, difference.lo, difference.hi)
    diff, lo, hi = (f"{factor * x:+.{digits}f}" for x in ends)
    return f"{diff} ({lo} to {hi})"


def points(difference: Difference) -> str:
    """A difference of shares and its interval, in percentage points."""
    return signed(difference, 1, 100)


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
