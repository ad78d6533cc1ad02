"""Times of stages: noted as they end, shown in the order of the pipeline."""

import json

import click
import pytest
from click.testing import CliRunner
from conftest import ROOT
from yaml_text import yaml_text

from hintdistill.commands.times import TIMES, StageTime, command, note, noted, timed
from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import parse_yaml, read_yaml

CELL = "alfworld-react"


@pytest.fixture
def in_a_clone(tmp_path, monkeypatch):
    """A folder with the pipeline's dvc.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())


def stage(callback):
    return click.Command("stage", callback=callback)


def test_a_stage_notes_its_time_only_if_it_ends_well(in_a_clone, caplog):
    caplog.set_level("INFO")
    train = timed("train", stage(lambda env, agent, arm: None))
    train.callback(env="alfworld", agent="react", arm="sft")
    timed("report", stage(lambda: None)).callback()

    def fails(env, agent):
        raise UserError("no")

    with pytest.raises(UserError):
        timed("strip", stage(fails)).callback(env="alfworld", agent="react")
    assert list(noted()) == [f"train@{CELL}-sft", "report"]
    assert f"stage train@{CELL}-sft: 0 s" in caplog.messages


def shown():
    return CliRunner().invoke(command, catch_exceptions=False).output


def test_times_are_shown_in_the_order_of_the_pipeline(in_a_clone):
    assert "No stage" in shown()
    for name, seconds in [("report", 1.0), (f"hints@{CELL}", 2.4), ("base", 5), ("report", 3.0)]:
        note(StageTime(name, seconds, resumed=name == "base"))
    lines = [line.split() for line in shown().splitlines()]
    assert [line[:2] for line in lines] == [
        ["base", "5"], [f"hints@{CELL}", "2"], ["report", "3"], ["total", "10"]
    ]  # fmt: skip
    assert "stopped" in lines[0]
    with TIMES.open("a") as file:
        file.write("{\n")
    with pytest.raises(UserError, match=r"line 5.*Remove"):
        noted()


def test_a_time_that_is_not_all_of_a_stages_counts_only_where_there_is_no_other(in_a_clone):
    note(StageTime("base", 100.0, resumed=False))
    note(StageTime("base", 1.0, resumed=True))
    assert noted()["base"].seconds == 100.0


def test_a_finished_run_has_timed_every_stage(finished):
    lines = (finished.folder / TIMES).read_text().splitlines()
    stages = {json.loads(line)["stage"].partition("@")[0] for line in lines}
    assert stages == set(read_yaml(ROOT / "dvc.yaml")["stages"])
    assert finished.run("hintdistill", "times").stdout.splitlines()[-1].startswith("total")


def test_pending_are_the_stages_that_a_change_touches_and_that_lead_to_the_report(finished):
    def pending():
        code = "from hintdistill.commands.shared.graph import stale_stages as s; print(*s())"
        done = finished.run("python", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert pending().split() == []
    params = finished.folder / "params.yaml"
    before = params.read_text()
    try:
        params.write_text(before.replace("k: 3", "k: 2"))
        of_k = pending()
        changed = parse_yaml(before, "params.yaml")
        changed["model"]["path_suffix"], changed["demos"]["slips"] = "/../../base", 0.2
        params.write_text(yaml_text(changed))
        of_model = pending()
    finally:
        params.write_text(before)
    assert "failures@" not in of_k and "base_eval" not in of_k
    assert all(f"{kind}@" in of_k for kind in ("teacher", "strip", "train", "prompt_eval"))
    assert "failures@" in of_model  # the warm start is stale, but no longer leads to the report
    assert "demos@" not in of_model and "warmstart@" not in of_model
