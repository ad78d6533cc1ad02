"""Which stages of DVC's graph lead to the report."""

from typing import Any

REPORT = "report"  # the last stage


def leading_to_report(graph: Any) -> set[Any]:
    """The report's stage and those that it comes of; all, where there is no report.

    With a model that needs no warm start these are not all that dvc.yaml has.

    Args:
        graph: `Repo().index.graph`; its edges lead from a stage to those that it depends on.
    """
    from networkx import descendants

    for stage in graph:
        if stage.addressing == REPORT:
            return {stage, *descendants(graph, stage)}
    return set(graph)
