"""The whole pipeline with tiny random models of other families: it ends, and rows equal prompts."""

import pytest
from conftest import Repro
from families import gemma3, qwen3

from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Episode, TrainingRow
from hintdistill.llm.model.chat import ChatRenderer


@pytest.mark.slow
@pytest.mark.parametrize("family", [gemma3, qwen3], ids=lambda family: family.__name__)
def test_profile_smoke_ends_with_another_familys_model(family, tmp_path):
    source = family(tmp_path / "source")
    changes = {"max_length": 8192, "learning_rate": 0.01}
    run = Repro(
        tmp_path / "run",
        agents=["react", "stateact"],
        base={"name": family.__name__, "source": str(source)},
        rollout={"engine": "transformers", "dtype": "float32"},
        warmstart=changes,
        train=changes,
    )
    try:
        folder = run.result().folder
    finally:
        run.stop()
    renderer = ChatRenderer.open(folder / "models/base", {})
    for agent in ("react", "stateact"):
        data = folder / "data/alfworld" / agent
        rows = read_jsonl(data / "distilled.jsonl", TrainingRow)
        base = {e.messages[0] for e in read_jsonl(data / "eval/base.jsonl", Episode)}
        assert rows
        for row in rows:
            assert {row.messages[0]} == base
            whole = [tuple(rendered.ids) for rendered in renderer.rows(row.messages)]
            for i, message in enumerate(row.messages):
                if message.own:
                    asked = renderer.prompt(row.messages[:i])
                    assert any(ids[: len(asked)] == asked for ids in whole)
