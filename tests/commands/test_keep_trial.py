"""Trials on split dev: what is kept of them, and how the report shows them."""

import json

import pytest
from conftest import ROOT
from records_of import episode_of, task

from hintdistill.commands.keep_trial import keep_trial
from hintdistill.core.cell import Cell
from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import read_yaml
from hintdistill.evaluation.trials import read_trials, trials_table

BANK = {"hints": 7}
TASKS = {name: task(name, "put a pen in desk.", split="dev") for name in ("1", "2")}
CELL = Cell("alfworld", "react")


def params(**warmstart):
    content = read_yaml(ROOT / "params.yaml")
    content["warmstart"] |= warmstart
    return content


@pytest.fixture
def arms():
    return {
        "base": [episode_of("1"), episode_of("2", success=1)],
        "rag": [episode_of("1", success=1), episode_of("2", success=1)],
    }


def test_trials_are_kept_and_shown_with_what_differs(tmp_path, monkeypatch, arms):
    monkeypatch.chdir(tmp_path)
    keep_trial("lora", CELL, arms, TASKS, BANK, params(r=64, method="lora"), chosen=True)
    keep_trial("full", CELL, arms, TASKS, BANK, params(r=64, method="full"), chosen=False)
    kept = read_trials("alfworld", "react")
    assert list(kept) == ["full", "lora"]
    assert kept["lora"]["base"]["n"] == 2
    assert kept["lora"]["compare"]["rag-base"]["diff"] == 0.5
    assert set(kept["lora"]["compare"]) == {"rag-base"}
    head, _, *rows = trials_table(kept).splitlines()
    assert "warmstart.method" in head and "warmstart.r" not in head
    assert rows[0].startswith("| full | full | 7 | 2 | 50.0 | 100.0 | +50.0")
    assert rows[1].endswith("| chosen |")


def test_a_parameter_that_a_trial_did_not_have_is_a_dash(tmp_path, monkeypatch, arms):
    monkeypatch.chdir(tmp_path)
    older = params()
    del older["warmstart"]["dtype"]
    keep_trial("older", CELL, arms, TASKS, BANK, older, chosen=False)
    keep_trial("newer", CELL, arms, TASKS, BANK, params(), chosen=False)
    table = trials_table(read_trials("alfworld", "react"))
    assert "| trial | warmstart.dtype | hints | n |" in table
    assert "| older | - | 7 | 2 |" in table


@pytest.mark.parametrize("content", ["{", "[]", '{"params": {}}', json.dumps({"base": 1})])
def test_a_file_that_is_no_trial_is_named(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "metrics/trials/alfworld-react/odd.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(UserError, match=r"odd\.json"):
        read_trials("alfworld", "react")
    arms = {"base": [episode_of("1")], "rag": [episode_of("1")]}
    with pytest.raises(UserError, match=r"odd\.json"):
        keep_trial("odd", CELL, arms, TASKS, BANK, params(), chosen=False)


def test_names_and_tasks_are_checked(tmp_path, monkeypatch, arms):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="a-z"):
        keep_trial("../x", CELL, arms, TASKS, BANK, params(), chosen=False)
    arms["rag"].pop()
    with pytest.raises(UserError, match="rag"):
        keep_trial("x", CELL, arms, TASKS, BANK, params(), chosen=False)
    assert not list(tmp_path.rglob("*.json"))


def test_settings_are_not_chosen_on_eval(finished):
    cell = ("--env", "alfworld", "--agent", "react")
    done = finished.run("hintdistill", "keep-trial", "--name", "x", *cell)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: keep-trial: expected eval.split dev")
