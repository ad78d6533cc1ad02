"""Stops: a stage killed with SIGKILL continues and ends in the same bytes; so does training."""

import json
import math
import signal
import time
from pathlib import Path

import pytest
from yaml_text import yaml_text

from hintdistill.core.errors import UserError
from hintdistill.core.files import read_jsonl, write_jsonl
from hintdistill.core.records import Episode, TrainingRow
from hintdistill.core.scratch import Scratch
from hintdistill.core.yaml_file import read_yaml
from hintdistill.training.sft.rows import SftParams

DATA = "data/alfworld"


@pytest.fixture
def short_run(games, checkout):
    """A checkout with six warm-start tasks, in cohorts of one."""
    few = [(task, game) for task, game in games if task.split == "warmstart"]
    write_jsonl(checkout.folder / DATA / "panel.jsonl", [task for task, _ in few])
    write_jsonl(checkout.folder / DATA / "games.jsonl", [game for _, game in few])
    params = read_yaml(checkout.folder / "profiles/smoke.yaml")
    params["rollout"]["cohort"] = 1
    (checkout.folder / "params.yaml").write_text(yaml_text(params))
    return checkout


TINY = SftParams(
    dtype="float32", r=4, alpha=8, dropout=0.1, learning_rate=1e-3, epochs=1, batch=1,
    accumulation=1, activation_checkpointing=False, launcher="",
    max_length=400, seed=1, threads=1,
)  # fmt: skip
COMMAND = ("hintdistill", "demos", "--env", "alfworld", "--agent", "react")


def test_a_killed_stage_continues_and_ends_in_the_same_bytes(short_run):
    out = short_run.folder / DATA / "react/demos.jsonl"
    scratch = short_run.folder / ".scratch"
    process = short_run.start(*COMMAND)
    deadline = time.monotonic() + 120
    while len(list(scratch.rglob("cohort-*.jsonl"))) < 1:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    kept = len(list(scratch.rglob("cohort-*.jsonl")))

    assert short_run.run(*COMMAND).returncode == 0
    resumed = out.read_bytes()
    assert 1 <= kept < len(read_jsonl(out, Episode))
    assert not list(scratch.rglob("cohort-*.jsonl"))

    out.unlink()
    assert short_run.run(*COMMAND).returncode == 0
    assert out.read_bytes() == resumed
    # What the resumed stage took is not all of its time, and is noted as such.
    noted = (scratch / "times.jsonl").read_text().splitlines()
    assert [json.loads(line)["resumed"] for line in noted] == [True, False]


def test_scratch_of_other_settings_code_or_inputs_is_not_continued(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    deps = ["data/${item.env}/panel.jsonl", "src/${item.env}", "src/agents/${item.agent}.py"]
    Path("dvc.yaml").write_text(yaml_text({"stages": {"play": {"deps": deps}}}))
    Path("params.yaml").write_text("k: 1\n")
    given = ["data/shop/panel.jsonl", "src/shop/game/pages.py", "src/agents/react.py"]
    for name in [*given, "src/house/rooms.py", "src/agents/stateact.py"]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("a")

    def folder(settings="k=1"):
        return Scratch("play", {"env": "shop", "agent": "react"}, settings).folder

    first = folder()
    (first / "cohort-0.jsonl").write_text("x")
    # Neither another environment nor another agent, nor what tools leave, is any of its business.
    for name in ("src/house/rooms.py", "src/agents/stateact.py", "src/shop/game/__pycache__/p.pyc"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("b")
    Path(".dvcignore").write_text("__pycache__/\n")
    assert folder() == first and (first / "cohort-0.jsonl").exists()
    assert folder("k=2") != first
    assert not first.exists()
    seen = {folder()}
    for name in given:  # data, and code that is imported by its name
        Path(name).write_text("b")
        seen.add(folder())
    assert len(seen) == 1 + len(given)
    scratch = Scratch("play", {"env": "shop", "agent": "react"}, "k=1")
    scratch.drop()
    assert not scratch.folder.exists()
    Path(given[0]).unlink()
    with pytest.raises(UserError, match=r"panel\.jsonl: expected this input"):
        folder()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_resumes_at_a_checkpoint_and_ends_in_the_same_bytes(
    finished, tmp_path, monkeypatch, method
):
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    from hintdistill.training.sft import trainer as sft
    from hintdistill.training.sft.export import describe_adapter, save_model
    from hintdistill.training.sft.live import loss_logger, open_live

    monkeypatch.chdir(finished.folder)
    monkeypatch.setitem(sft.CHECKPOINT_EVERY, method, 1)
    rows = read_jsonl(finished.folder / "data/alfworld/react/sft.jsonl", TrainingRow)[:3]
    talks = [row.messages for row in rows]
    warm, base = finished.folder / "models/warm/alfworld-react", tmp_path / "two-layers"
    AutoModelForCausalLM.from_pretrained(warm, num_hidden_layers=2).save_pretrained(base)
    AutoTokenizer.from_pretrained(warm).save_pretrained(base)

    class Killed(Exception):
        pass

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 2:
                raise Killed

    with monkeypatch.context() as patch:
        train = sft.OwnTurnTrainer.train
        patch.setattr(
            sft.OwnTurnTrainer,
            "train",
            lambda self, **kwargs: (self.add_callback(Kill()), train(self, **kwargs)),
        )
        with pytest.raises(Killed):
            sft.fine_tune(base, talks, TINY, {}, tmp_path / "stopped", method, lambda *_: None)
    # A checkpoint that the kill left half-written must not be taken for a whole one.
    half = tmp_path / "stopped/checkpoint-9"
    half.mkdir()
    (half / "trainer_state.json").write_text('{"epoch"')

    for name in ("stopped", "whole"):
        with open_live(tmp_path / f"{name}-live") as live:
            logs = loss_logger(live)
            trained = sft.fine_tune(base, talks, TINY, {}, tmp_path / name, method, logs)
        out = tmp_path / f"{name}-out"
        if method == "lora":
            card = {"arm": "sft", "env": "alfworld", "agent": "react", "rows": 3, "steps": 3}
            trained.model.save_pretrained(out)
            describe_adapter(out, name="a", base="models/b", card=card)
            weights = dict(trained.model.named_parameters())
            assert any(float(w.abs().sum()) > 0 for name, w in weights.items() if "lora_B" in name)
        else:
            save_model(trained.model, out)
            before = (base / "model.safetensors").read_bytes()
            assert (out / "model.safetensors").read_bytes() != before
    losses = [tmp_path / f"{name}-live/plots/metrics/loss.tsv" for name in ("stopped", "whole")]
    assert losses[0].read_bytes() == losses[1].read_bytes()
    shown = [line.split("\t") for line in losses[0].read_text().splitlines()]
    assert [step for step, _ in shown] == ["step", "1", "2", "3"]
    assert all(0 < float(loss) < math.inf for _, loss in shown[1:])
    for path in (tmp_path / "whole-out").iterdir():
        assert path.read_bytes() == (tmp_path / "stopped-out" / path.name).read_bytes(), path


def test_training_on_nothing_is_an_error(finished, tmp_path):
    from hintdistill.training.sft.trainer import fine_tune

    base = finished.folder / "models/base"
    with pytest.raises(UserError, match="at least one row"):
        fine_tune(base, [], TINY, {}, tmp_path, "lora", print)
    rows = read_jsonl(finished.folder / "data/alfworld/react/sft.jsonl", TrainingRow)
    short = TINY.model_copy(update={"max_length": 50})
    with pytest.raises(UserError, match="max_length"):
        fine_tune(base, [rows[0].messages], short, {}, tmp_path, "lora", print)
