"""The whole pipeline, once, at smoke size, with the real model; then what reruns."""

import csv
import json
import shutil
from pathlib import Path

from click.testing import CliRunner
from conftest import ROOT
from yaml_text import yaml_text

from hintdistill.core.errors import UserError
from hintdistill.core.files import read_jsonl
from hintdistill.core.records import Episode, Hint, Task, TrainingRow
from hintdistill.core.yaml_file import parse_yaml, read_yaml
from hintdistill.evaluation.arms import ARMS, COMPARISONS
from hintdistill.evaluation.figures import CauseRow, CellFigures, EpisodeRow
from hintdistill.evaluation.metrics import cell_summary
from hintdistill.stages import report

CELL = "data/alfworld/react"
EVAL = read_yaml(ROOT / "profiles/smoke.yaml")["alfworld"]["eval"]


def episodes_of(finished, name):
    return read_jsonl(finished.folder / CELL / name, Episode)


def tasks_of(finished):
    panel = finished.folder / "data/alfworld/panel.jsonl"
    return {task.task_id: task for task in read_jsonl(panel, Task)}


def test_every_arm_plays_the_whole_eval_split(finished):
    summary = json.loads((finished.folder / "metrics/summary.json").read_text())
    cell = summary["alfworld"]["react"]
    tasks = sorted(t.task_id for t in tasks_of(finished).values() if t.split == "eval")
    for arm in ARMS:
        episodes = episodes_of(finished, f"eval/{arm}.jsonl")
        assert sorted(e.task_id for e in episodes) == tasks
        assert cell[arm]["n"] == EVAL
        assert cell[arm]["success"] == sum(e.success for e in episodes) / EVAL
        assert cell[arm]["success_lo"] <= cell[arm]["success"] <= cell[arm]["success_hi"]
    assert set(cell["compare"]) == {f"{a}-{b}" for a, b in COMPARISONS}


def test_only_the_arms_with_hints_see_hints(finished):
    bank = read_jsonl(finished.folder / CELL / "hints.jsonl", Hint)
    known = {hint.hint_id for hint in bank}
    assert known
    rag = episodes_of(finished, "eval/rag.jsonl")
    assert {h.hint_id for e in rag for h in e.hints} <= known
    assert any(e.hints for e in rag)
    for arm in ("base", "sft", "distilled"):
        for episode in episodes_of(finished, f"eval/{arm}.jsonl"):
            assert not episode.hints
            assert "Hints from" not in episode.messages[0].content
    constant = episodes_of(finished, "eval/placebo_constant.jsonl")
    assert len({tuple(h.text for h in e.hints) for e in constant}) == 1


def test_students_use_their_adapters_on_the_same_base(finished):
    base = episodes_of(finished, "eval/base.jsonl")[0]
    sft = episodes_of(finished, "eval/sft.jsonl")[0]
    distilled = episodes_of(finished, "eval/distilled.jsonl")[0]
    assert base.adapter is None
    assert base.model == sft.model == distilled.model
    assert None not in (sft.adapter, distilled.adapter) and sft.adapter != distilled.adapter


def test_demonstrations_of_every_kind_and_of_warmstart_tasks_only(finished):
    demos = episodes_of(finished, "demos.jsonl")
    params = read_yaml(finished.folder / "params.yaml")
    tasks, shares = params["alfworld"]["warmstart"], params["demos"]
    for kind in ("plain", "helpful", "useless"):
        shown = [e for e in demos if e.arm == f"demo_{kind}"]
        assert len(shown) == round(shares[kind] * tasks)
        assert all(bool(e.hints) == (kind != "plain") or kind == "helpful" for e in shown)
    openings = [e for e in demos if e.arm == "demo_opening"]
    assert len(openings) == shares["openings"] * tasks
    assert all(e.n_turns == 1 and e.messages[2].content.startswith("think:") for e in openings)
    splits = {task.task_id: task.split for task in tasks_of(finished).values()}
    assert {splits[e.task_id] for e in demos} == {"warmstart"}
    assert len({e.episode_id for e in demos}) == len(demos)


def test_rows_are_matched_and_of_train_tasks(finished):
    tasks = tasks_of(finished)
    sft = read_jsonl(finished.folder / CELL / "sft.jsonl", TrainingRow)
    distilled = read_jsonl(finished.folder / CELL / "distilled.jsonl", TrainingRow)
    assert len(sft) == len(distilled) > 0
    assert {tasks[row.task_id].split for row in [*sft, *distilled]} == {"train"}
    figures = [
        json.loads(
            (finished.folder / f"metrics/alfworld/react/train-{arm}/metrics.json").read_text()
        )
        for arm in ("sft", "distilled")
    ]
    assert figures[0]["step"] == figures[1]["step"] > 0


def test_episodes_csv(finished):
    lines = (finished.folder / "metrics/episodes.csv").read_text().splitlines()
    assert lines[0] == ",".join(EpisodeRow._fields)
    rows = list(csv.DictReader(lines))
    assert len(rows) == EVAL * len(ARMS)
    assert {row["success"] for row in rows} <= {"0", "1"}
    assert all(int(row["tokens_new"]) <= int(row["tokens"]) for row in rows)


def test_what_dvc_shows_of_a_run_is_short(finished):
    shown = json.loads(finished.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert len(shown) == 6 and len(json.dumps(shown)) < 2500
    success = shown["metrics/success.json"]["data"]["alfworld"]["react"]
    summary = json.loads((finished.folder / "metrics/summary.json").read_text())
    cell = summary["alfworld"]["react"]
    assert list(success) == ["base", "distilled", "rag", "sft"]
    assert all(success[arm] == round(100 * cell[arm]["success"], 1) for arm in success)


def test_report_says_what_was_kept(finished):
    report = (finished.folder / "metrics/report.md").read_text()
    assert "strip.keep: all" in report
    audit = json.loads((finished.folder / "metrics/alfworld/react/audit.json").read_text())
    assert audit["canaries_found"] > 0
    assert audit["distilled"]["leaks_in_prompt"] == 0


def test_every_failure_is_in_the_causes(finished):
    lines = (finished.folder / "metrics/plots/causes.csv").read_text().splitlines()
    assert lines[0] == ",".join(CauseRow._fields)
    rows = list(csv.DictReader(lines))
    played = {("eval", arm): f"eval/{arm}.jsonl" for arm in ARMS}
    played |= {("train", "base"): "failures.jsonl", ("train", "rag"): "teacher.jsonl"}
    assert {(row["split"], row["arm"]) for row in rows} == set(played)
    for (split, arm), name in played.items():
        failed = [e for e in episodes_of(finished, name) if not e.success]
        of_arm = [row for row in rows if (row["split"], row["arm"]) == (split, arm)]
        assert sum(int(row["n"]) for row in of_arm) >= len(failed)
        by_type = {row["type"]: int(row["failures"]) for row in of_arm}
        assert sum(by_type.values()) == len(failed)
    report = (finished.folder / "metrics/report.md").read_text()
    assert "Why episodes failed" in report and "| failed episodes |" in report
    assert "Not a result" not in report


def test_a_report_of_two_agents_shows_each_apart(finished, tmp_path, monkeypatch):
    shutil.copytree(finished.folder / "metrics/cells", tmp_path / "metrics/cells")
    params = read_yaml(finished.folder / "params.yaml")
    params["agents"] = ["react", "stateact"]
    (tmp_path / "params.yaml").write_text(yaml_text(params))
    monkeypatch.chdir(tmp_path)
    (cell,) = Path("metrics/cells").iterdir()
    result = CliRunner().invoke(report.command)
    assert isinstance(result.exception, UserError) and "stateact" in str(result.exception)
    assert not Path("metrics/summary.json").exists()
    figures = cell.read_text()
    Path("metrics/cells/alfworld-stateact.json").write_text(
        figures.replace('"react"', '"stateact"')
    )
    assert CliRunner().invoke(report.command).exit_code == 0
    summary = json.loads(Path("metrics/summary.json").read_text())["alfworld"]
    own = CellFigures.model_validate_json(figures)
    nested = cell_summary(own.episodes, own.invalid).nested()
    assert summary["react"] == summary["stateact"] == nested
    agents = [
        row["agent"]
        for row in csv.DictReader(Path("metrics/episodes.csv").read_text().splitlines())
    ]
    assert agents == ["react"] * EVAL * len(ARMS) + ["stateact"] * EVAL * len(ARMS)
    text = Path("metrics/report.md").read_text()
    assert text.index("alfworld, react") < text.index("alfworld, stateact")


def test_lineage_leads_from_the_panel_to_the_metrics(finished):
    def trace(name):
        done = finished.run("hintdistill", "trace", name)
        assert done.returncode == 0, done.stderr
        return done.stdout

    row = read_jsonl(finished.folder / CELL / "distilled.jsonl", TrainingRow)[0]
    told = trace(row.episode_id)
    assert "by stage teacher@alfworld-react with" in told and "hints.k=3" in told
    assert f"from task {row.task_id} of split train" in told
    assert f"rows of student alfworld-react-distilled: {row.row_id}" in told
    teacher = next(e for e in episodes_of(finished, "teacher.jsonl") if e.hints)
    hint = teacher.hints[0]
    told = trace(hint.hint_id)
    failed = [e.episode_id for e in episodes_of(finished, "failures.jsonl") if not e.success]
    assert any(f"after failed episodes: {name}" in told for name in failed)
    assert hint.text in told and "of train" in told
    assert f"episodes of {CELL}/teacher.jsonl" in told
    told = trace("alfworld-react-distilled")
    assert f"-> {EVAL} episodes of eval/distilled.jsonl" in told
    assert "by stage train@alfworld-react-distilled with" in told
    assert "run: a run that is not committed" in told
    wrong = finished.run("hintdistill", "trace", "no-such")
    assert wrong.returncode == 1 and "alfworld-react" in wrong.stderr


def test_stateact_shops_through_the_same_stages(shops):
    assert "Stage 'base' is cached" in shops.log.read_text()
    data = shops.checkout.folder / "data/webshop/stateact"
    params = read_yaml(shops.checkout.folder / "params.yaml")
    tasks = {task.task_id: task for task in read_jsonl(data.parent / "panel.jsonl", Task)}
    bank = {hint.hint_id for hint in read_jsonl(data / "hints.jsonl", Hint)}
    for name in ("failures", "teacher"):
        episodes = read_jsonl(data / f"{name}.jsonl", Episode)
        assert len(episodes) == params["webshop"]["train"]
        assert {tasks[e.task_id].split for e in episodes} == {"train"}
        assert all(e.messages[1].content.startswith("WebShop") for e in episodes)
        shown = {hint.hint_id for e in episodes for hint in e.hints}
        assert shown <= bank and bool(shown) == (name != "failures")
    rows = read_jsonl(data / "distilled.jsonl", TrainingRow)
    assert rows and not any("Hints from" in row.messages[0].content for row in rows)


def test_adapter_loads_with_plain_transformers_and_peft(finished, monkeypatch):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    monkeypatch.chdir(finished.folder)
    adapter = finished.folder / "models/adapters/alfworld-react-distilled"
    config = json.loads((adapter / "adapter_config.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(config["base_model_name_or_path"])
    model = PeftModel.from_pretrained(model, adapter)
    assert any(float(p.abs().sum()) > 0 for n, p in model.named_parameters() if "lora_B" in n)
    names = {path.name for path in adapter.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "README.md"}
    assert config["target_modules"] == sorted(config["target_modules"])


def test_a_base_can_be_any_model_folder(finished, tmp_path):
    from hintdistill.training.base import make_base

    base = finished.folder / "models/base"
    make_base(str(base), tmp_path / "copy", (base / "README.md").read_text())
    for path in base.iterdir():
        assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes(), path.name


def test_no_absolute_path_in_what_a_run_leaves(finished):
    here = str(finished.folder).encode()
    for folder in ("data", "models", "metrics"):
        for path in (finished.folder / folder).rglob("*"):
            if path.is_file():
                assert here not in path.read_bytes(), path


def test_nothing_reruns_and_a_comment_reruns_one_stage(finished):
    again = finished.run("dvc", "repro")
    assert again.returncode == 0
    assert "Running stage" not in again.stdout
    curate = finished.folder / "src/hintdistill/hints/write/curate.py"
    before = curate.read_text()
    try:
        curate.write_text(before + "# a comment\n")
        changed = finished.run("dvc", "repro")
    finally:
        curate.write_text(before)
    ran = [line for line in changed.stdout.splitlines() if line.startswith("Running stage")]
    assert ran == ["Running stage 'hints@alfworld-react':"], changed.stdout + changed.stderr
    back = finished.run("dvc", "repro")  # for the tests that come after, from the run cache
    assert back.returncode == 0 and "Running stage" not in back.stdout


def test_a_comment_that_every_stage_sees_is_accepted_and_a_constant_is_not(finished):
    """Nothing runs, and the outs are those that were there."""
    files, lock = finished.folder / "src/hintdistill/core/files.py", finished.folder / "dvc.lock"
    code, locked = files.read_text(), lock.read_text()
    try:
        files.write_text(code.replace(".partial", ".part"))
        refused = finished.run("hintdistill", "accept")
        assert refused.returncode == 1 and "core/files.py differs" in refused.stderr
        assert lock.read_text() == locked
        files.write_text(code + "# a comment\n")
        pending = json.loads(finished.run("dvc", "status", "--json").stdout)
        assert len(pending) == len(parse_yaml(locked, "dvc.lock")["stages"])
        accepted = finished.run("hintdistill", "accept")
        assert accepted.returncode == 0, accepted.stderr
        again = finished.run("dvc", "repro")
        assert again.returncode == 0 and "Running stage" not in again.stdout
        stages = read_yaml(lock)["stages"]
        for name, stage in parse_yaml(locked, "dvc.lock")["stages"].items():
            assert stages[name]["outs"] == stage["outs"]
            changed = [dep["path"] for dep in stages[name]["deps"] if dep not in stage["deps"]]
            assert changed == ["src/hintdistill/core"]
    finally:
        files.write_text(code)
        lock.write_text(locked)


def pending_after(finished, name, params=None):
    """Stages that an edit of a file makes pending."""
    path, settings = finished.folder / name, finished.folder / "params.yaml"
    before, was = path.read_text(), settings.read_text()
    try:
        path.write_text(before + "\n")
        settings.write_text(was if params is None else params)
        return set(json.loads(finished.run("dvc", "status", "--json").stdout))
    finally:
        path.write_text(before)
        settings.write_text(was)


def test_an_edit_touches_no_stage_of_another_environment_or_agent(finished):
    package = "src/hintdistill"
    assert pending_after(finished, f"{package}/environments/webshop/game/pages.py") == set()
    assert pending_after(finished, f"{package}/agents/stateact.py") == set()
    assert pending_after(finished, "prompts/webshop/react/system.j2") == set()
    assert pending_after(finished, f"{package}/environments/alfworld/hints/texts.yaml") == {
        "hints@alfworld-react", "figures@alfworld-react"
    }  # fmt: skip
    played = pending_after(finished, f"{package}/environments/alfworld/game/rooms.py")
    assert {"panel@alfworld", "failures@alfworld-react"} <= played
    assert not {"warmstart@alfworld-react", "train@alfworld-react-sft"} & played


def test_plots_render(finished):
    shown = finished.run("dvc", "plots", "show", "-o", "plots-out")
    assert shown.returncode == 0, shown.stderr
    html = (finished.folder / "plots-out/index.html").read_text()
    for title in ("Success rate by arm", "Success rate by task type", "Why episodes failed"):
        assert title in html


def test_dvc_compares_the_run_with_the_committed_one(finished):
    committed, here = (
        json.loads((root / "metrics/success.json").read_text()).get("alfworld", {}).get("react", {})
        for root in (ROOT, finished.folder)
    )
    diff = finished.run("dvc", "metrics", "diff", "HEAD", "--all", "--json")
    changes = json.loads(diff.stdout)["metrics/success.json"]
    for arm, rate in here.items():
        change = changes[f"alfworld.react.{arm}"]
        assert (change["old"], change["new"]) == (committed.get(arm), rate)
    shown = finished.run("dvc", "exp", "show", "--csv").stdout.splitlines()
    workspace = next(row for row in csv.DictReader(shown) if row["rev"] == "workspace")
    assert all(float(workspace[f"alfworld.react.{arm}"]) == here[arm] for arm in here)
    plots = finished.run("dvc", "plots", "diff", "HEAD", "-o", "plots-diff")
    assert plots.returncode == 0, plots.stderr
    html = (finished.folder / "plots-diff/index.html").read_text()
    assert all(f'"rev": "{rev}"' in html for rev in ("HEAD", "workspace"))


def test_smoke_is_a_complete_profile(finished):
    profiles = [read_yaml(p) for p in (finished.folder / "profiles").iterdir()]
    shapes = [{key: sorted(block) for key, block in p.items()} for p in profiles]
    assert all(shape == shapes[0] for shape in shapes)
