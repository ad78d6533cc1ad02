"""A new environment: one folder, its prompts and a block of parameters, and nothing else."""

import json
import shutil

import pytest
from conftest import ROOT
from yaml_text import yaml_text

from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Episode, Hint, TrainingRow
from hintdistill.core.yaml_file import read_yaml

TOY = ROOT / "tests/toy"
STAGES = (
    "panel@toy", "failures@toy-react", "hints@toy-react", "teacher@toy-react", "strip@toy-react",
    "base_eval@toy-react", "prompt_eval@toy-react-rag", "prompt_eval@toy-react-placebo_constant",
)  # fmt: skip
# Tries the door at once; unlocks it first where a hint says so.
SCRIPT = [["Unlock the[^|]*turn the key", "open"], ["Unlock the", "unlock"], ["", "open"]]
BLOCK = {"source": "generated", "seed": 0, "warmstart": 2, "train": 8, "dev": 2, "eval": 6,
         "eval_games": None, "step_limit": 4, "panel_sha256": None}  # fmt: skip


@pytest.fixture
def clone(checkout):
    folder = checkout.folder
    shutil.copytree(TOY / "environment", folder / "src/hintdistill/environments/toy")
    shutil.copytree(TOY / "prompts", folder / "prompts/toy")
    params = read_yaml(folder / "profiles/smoke.yaml")
    params |= {"envs": ["toy"], "toy": BLOCK}
    params["rollout"]["engine"] = "scripted"
    params["strip"]["keep"] = "success"
    (folder / "params.yaml").write_text(yaml_text(params))
    (folder / "models/warm/toy-react").mkdir(parents=True)
    (folder / "models/warm/toy-react/script.json").write_text(json.dumps(SCRIPT))
    return checkout


def test_it_has_at_most_80_lines():
    assert sum(len(p.read_text().splitlines()) for p in TOY.glob("environment/**/*.py")) <= 80


def test_it_goes_through_failures_hints_teacher_rows_and_evaluations(clone):
    done = clone.run("dvc", "repro", "-s", *STAGES)
    assert done.returncode == 0, done.stdout + done.stderr
    data = clone.folder / "data/toy/react"

    def wins(name):
        episodes = read_jsonl(data / name, Episode)
        return [e.success for e in sorted(episodes, key=lambda e: e.task_id)]

    assert wins("failures.jsonl") == [1, 0] * 4
    (house, shed) = read_jsonl(data / "hints.jsonl", Hint)
    assert {house.type, shed.type} == {"house", "shed"} and house.mentions == 2
    assert house.text == shed.text == "Unlock the {object} first, and then open it."
    assert wins("teacher.jsonl") == [1] * 8
    rows = read_jsonl(data / "distilled.jsonl", TrainingRow)
    assert len(rows) == len(read_jsonl(data / "sft.jsonl", TrainingRow)) == 4
    assert not any("Unlock the" in m.content for row in rows for m in row.messages)
    assert wins("eval/base.jsonl") == wins("eval/placebo_constant.jsonl") == [1, 0] * 3
    assert wins("eval/rag.jsonl") == [1] * 6
    changed = clone.run("git", "status", "--porcelain", "--untracked-files=no").stdout.split()
    assert [path for path in changed if path.startswith("src/")] == []
