"""`hintdistill trace` where an agent is given the bank of another one's failures."""

import pytest
from records_of import episode_of, task
from yaml_text import yaml_text

from hintdistill.commands.trace import trace_text
from hintdistill.core.cell import Cell
from hintdistill.core.errors import UserError
from hintdistill.core.files import write_jsonl
from hintdistill.core.records import Hint, HintRef

HINT = Hint(
    hint_id="h1", env="alfworld", type="a", text="Open every closed {container} on your way.",
    mentions=1, writer="diagnose", source_task_ids=["t1"], source_episode_ids=["failed"],
)  # fmt: skip


@pytest.fixture
def borrowed(small):
    """Agent stateact's teacher had the hint of agent react's failure; an old cell lies about."""
    params = {"envs": ["alfworld"], "agents": ["react", "stateact"], "hints": {"bank": "/../react"}}
    (small / "params.yaml").write_text(yaml_text(params))
    cells = {agent: Cell("alfworld", agent) for agent in ("react", "stateact", "gone")}
    write_jsonl(cells["react"].panel, [task("t1", "put a mug in cabinet.")])
    for agent, cell in cells.items():
        failed = episode_of("t1", agent=agent, episode_id="failed" if agent == "react" else agent)
        write_jsonl(cell.data / "failures.jsonl", [failed])
    write_jsonl(cells["react"].hints, [HINT])
    old = HINT.model_copy(update={"source_task_ids": ["of an older panel"]})
    write_jsonl(cells["gone"].hints, [old])
    shown = [HintRef(hint_id="h1", text=HINT.text)]
    taught = episode_of("t1", agent="stateact", arm="rag", hints=shown, episode_id="taught")
    write_jsonl(cells["stateact"].data / "teacher.jsonl", [taught])
    return cells


def test_a_borrowed_hint_is_traced_both_ways(borrowed):
    told = trace_text("taught")
    assert f"shown hint h1, learnt from failed: {HINT.text}" in told
    told = trace_text("h1")
    assert told.count("hint h1, in ") == 1 and str(borrowed["react"].hints) in told
    assert "  -> shown in 1 episodes of data/alfworld/stateact/teacher.jsonl, 0 won" in told
    assert "-> hint h1" in trace_text("failed")


def test_cells_that_are_not_listed_are_not_searched(borrowed):
    with pytest.raises(UserError, match="Searched the runs in data/: alfworld-react, alfworld-st"):
        trace_text("gone")
