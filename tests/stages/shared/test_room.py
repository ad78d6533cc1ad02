"""A prompt without room is said before an episode is played."""

import pytest
from conftest import ROOT, envs_of
from families import qwen3

from hintdistill.core.cell import Cell, ModelParams
from hintdistill.core.errors import UserError
from hintdistill.llm.engines.transformers import TransformersEngine
from hintdistill.stages.shared.room import require_room


@pytest.mark.parametrize(
    ("split", "context", "max_length", "what"),
    [
        ("train", 8192, 100, r"train.max_length: expected more than the \d{3,} tokens.*got 100"),
        ("train", 8192, 4096, ""),
        ("eval", 8192, 100, ""),  # no student learns from these
        ("eval", 200, 4096, "a context with room"),
    ],
)
def test_prompts_must_have_room(
    split, context, max_length, what, games, base_arm, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts").symlink_to(ROOT / "prompts")
    (tmp_path / "params.yaml").write_text(f"train: {{max_length: {max_length}}}\n")
    qwen3(tmp_path / "models/base")
    model = ModelParams(path_suffix="/../../base", chat_template_kwargs={})
    engine = TransformersEngine(
        model.folder(cell := Cell("alfworld", "react")),
        None,
        {},
        threads=1,
        dtype="float32",
        max_new_tokens=8,
    )
    engine._context = context
    panel = {task.task_id: (task, game) for task, game in games}
    tasks = [task for task, _ in games if task.split == split]

    def check():
        require_room(tasks, envs_of(panel), engine, base_arm, model, cell)

    if not what:
        return check()
    with pytest.raises(UserError, match=what):
        check()
