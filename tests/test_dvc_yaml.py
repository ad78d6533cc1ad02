"""dvc.yaml against the code: what a stage imports and reads is what it declares, no more."""

import importlib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from hintdistill.closure import PACKAGE, import_closure
from hintdistill.evaluation.metrics import ARMS
from hintdistill.stages._server import ServerBlock


@pytest.fixture(scope="module")
def stages():
    """Stages of dvc.yaml by name, their matrix resolved; and one cell of each."""
    repo = Repo(str(ROOT))
    cells = {}
    for stage in repo.index.stages:
        cells.setdefault(stage.name.split("@")[0], []).append(stage)
    return cells


def names_of(stage, folder):
    paths = [Path(str(dep.def_path)) for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    return {str(path) for path in paths if folder == "." or path.is_relative_to(folder)}


def stage_modules():
    return sorted(p.stem for p in (PACKAGE / "stages").glob("[a-z]*.py"))


def test_every_stage_module_is_a_stage(stages):
    assert sorted(stages) == stage_modules()


@pytest.mark.parametrize("name", stage_modules())
def test_code_deps_are_the_import_closure(stages, name):
    closure = import_closure(PACKAGE / "stages" / f"{name}.py")
    expected = {str(path.relative_to(ROOT)) for path in closure}
    for stage in stages[name]:
        assert names_of(stage, "src") == expected


@pytest.mark.parametrize("name", stage_modules())
def test_params_are_those_the_stage_reads(stages, name):
    module = importlib.import_module(f"hintdistill.stages.{name}")
    for stage in stages[name]:
        declared = {
            key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params
        }
        assert declared == {key.replace("{env}", "alfworld") for key in module.Params.param_keys()}


def test_every_parameter_is_read_by_some_stage():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    leaves = {
        f"{block}.{key}" if isinstance(keys, dict) else block
        for block, keys in params.items()
        for key in (keys if isinstance(keys, dict) else [block])
    }
    read = set()
    for name in stage_modules():
        module = importlib.import_module(f"hintdistill.stages.{name}")
        read |= {key.replace("{env}", "alfworld") for key in module.Params.param_keys()}
    # How a server is asked changes no answer: a higher cap must make no stage run again.
    free = set(ServerBlock.param_keys())
    assert free <= leaves and not free & read
    # The lists of the matrix are read by dvc.yaml itself.
    assert leaves - {"envs", "agents"} - free <= read


def test_params_yaml_is_a_profile():
    profiles = [path.read_text() for path in (ROOT / "profiles").iterdir()]
    assert (ROOT / "params.yaml").read_text() in profiles


def test_every_profile_is_complete():
    def keys(path):
        content = yaml.safe_load(path.read_text())
        return {name: sorted(block) for name, block in content.items() if isinstance(block, dict)}

    for path in (ROOT / "profiles").iterdir():
        assert keys(path) == keys(ROOT / "params.yaml"), path.name


def test_stages_that_render_prompts_depend_on_them(stages):
    for name, cells in stages.items():
        renders = PACKAGE / "agents/prompts.py" in import_closure(PACKAGE / f"stages/{name}.py")
        for stage in cells:
            prompts = names_of(stage, "prompts")
            assert bool(prompts) == renders, name
    assert "prompts/placebos.yaml" in names_of(stages["prompt_eval"][0], "prompts")


def test_report_depends_on_every_arm(stages):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    deps = names_of(stages["report"][0], ".")
    for env in params["envs"]:
        for agent in params["agents"]:
            played = {f"data/{env}/{agent}/eval/{arm}.jsonl" for arm in ARMS}
            played |= {f"data/{env}/{agent}/{name}.jsonl" for name in ("failures", "teacher")}
            audit = f"metrics/{env}/{agent}/audit.json"
            assert {*played, audit, f"data/{env}/panel.jsonl"} <= deps


def test_commands_name_the_cell_and_no_device_port_or_worker_count(stages):
    for cells in stages.values():
        for stage in cells:
            options = {word for word in stage.cmd.split() if word.startswith("-")}
            assert options <= {"--env", "--agent", "--arm"}, stage.cmd


def test_training_depends_on_the_lock(stages):
    for name in ("warmstart", "train"):
        paths = {dep.def_path for dep in stages[name][0].deps}
        assert "requirements.lock" in paths
