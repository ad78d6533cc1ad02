"""dvc.yaml against the code: what a stage imports and reads is what it declares, no more."""

import importlib
import shutil
from pathlib import Path

import jinja2
import pytest
import yaml
from conftest import ROOT
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from jinja2.meta import find_referenced_templates

from hintdistill.agents.registry import AGENTS
from hintdistill.closure import PACKAGE, import_closure
from hintdistill.evaluation.metrics import ARMS
from hintdistill.stages._cell import BankParams, Cell
from hintdistill.stages._server import ServerBlock
from hintdistill.tasks.registry import ENVS


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Stages of dvc.yaml by name, their matrix resolved for all environments and agents."""
    root = tmp_path_factory.mktemp("all-cells")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"envs": list(ENVS), "agents": list(AGENTS)}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copy(ROOT / "dvc.yaml", root)
    repo = Repo.init(str(root), no_scm=True)
    cells = {}
    for stage in repo.index.stages:
        cells.setdefault(stage.name.split("@")[0], []).append(stage)
    return cells


def names_of(stage, folder):
    paths = [Path(str(dep.def_path)) for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    return {str(path) for path in paths if folder == "." or path.is_relative_to(folder)}


def keys_read(module, env, agent):
    """The params keys of a stage's cell."""
    keys = module.Params.param_keys()
    return {key.replace("{env}", env).replace("{agent}", agent) for key in keys}


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
        env, agent, *_ = [*stage.name.partition("@")[2].split("-"), "", ""]
        assert declared == keys_read(module, env, agent)


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
        read |= {k for env in ENVS for agent in AGENTS for k in keys_read(module, env, agent)}
    # Which server is asked no stage can declare; nor a higher cap, which must make none run again.
    free = set(ServerBlock.param_keys())
    assert free <= leaves and not free & read
    # The lists of the matrix are read by dvc.yaml itself, and variants are what changes the rest.
    leaves = {leaf for leaf in leaves if not leaf.startswith("variants.")}
    assert leaves - {"envs", "agents"} - free <= read


def test_every_profile_is_complete():
    def keys(path):
        content = yaml.safe_load(path.read_text()) | {"variants": None}  # these are anybody's own
        return {name: sorted(block) for name, block in content.items() if isinstance(block, dict)}

    for path in (ROOT / "profiles").iterdir():
        assert keys(path) == keys(ROOT / "params.yaml"), path.name


def test_stages_that_render_prompts_depend_on_them(stages):
    included = set()
    for template in (ROOT / "prompts").glob("*_system.j2"):
        parsed = jinja2.Environment().parse(template.read_text())
        included |= {f"prompts/{name}" for name in find_referenced_templates(parsed)}
    assert included
    for name, cells in stages.items():
        code = import_closure(PACKAGE / f"stages/{name}.py")
        for stage in cells:
            env, agent, *_ = [*stage.name.partition("@")[2].split("-"), "", ""]
            expected = set()
            if PACKAGE / "agents/registry.py" in code and agent:
                files = ("system.j2", "examples.jsonl")
                expected |= included | {f"prompts/{agent}_{env}_{file}" for file in files}
            for module in ("extract", "rerank"):
                if PACKAGE / f"hints/{module}.py" in code:
                    expected.add(f"prompts/{module}_{env}.j2")
            if name == "prompt_eval":
                expected.add("prompts/placebos.yaml")
            assert names_of(stage, "prompts") == expected, stage.name


def test_the_report_depends_on_every_arm_of_every_cell(stages):
    cells = [f"{env}-{agent}" for env in ENVS for agent in AGENTS]
    assert [stage.name.split("@")[1] for stage in stages["figures"]] == cells
    for stage in stages["figures"]:
        env, agent = stage.name.split("@")[1].split("-")
        read = {f"data/{env}/{agent}/eval/{arm}.jsonl" for arm in ARMS}
        read |= {f"data/{env}/{agent}/{name}.jsonl" for name in ("failures", "teacher")}
        read |= {f"metrics/{env}/{agent}/audit.json", f"data/{env}/panel.jsonl"}
        assert read <= names_of(stage, ".")
    graph = stages["report"][0].repo.index.graph
    assert set(stages["figures"]) <= set(graph.successors(stages["report"][0]))


def test_commands_name_the_cell_and_no_device_port_or_worker_count(stages):
    for cells in stages.values():
        for stage in cells:
            options = {word for word in stage.cmd.split() if word.startswith("-")}
            assert options <= {"--env", "--agent", "--arm"}, stage.cmd


def test_what_a_librarys_version_can_change_depends_on_the_lock(stages):
    without = {
        name
        for name, (first, *_) in stages.items()
        if "requirements.lock" not in {dep.def_path for dep in first.deps}
    }
    assert without == {"strip", "figures", "report"}  # they count, and read records


READ_THE_BANK = ("teacher@", "prompt_eval@", "strip@")


@pytest.mark.parametrize(
    ("bank", "banks"),
    [
        ("", {"react": "react", "other": "other"}),
        ("/../react", {"react": "react", "other": "react"}),
    ],
)
def test_an_agent_is_given_the_bank_that_hints_bank_names(tmp_path, monkeypatch, bank, banks):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["agents"] = list(banks)
    params["hints"]["bank"] = bank
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    stages = Repo.init(no_scm=True).index.stages
    made = {Path(out.fs_path) for stage in stages for out in stage.outs}
    for agent, owner in banks.items():
        path = BankParams(bank=bank).path(Cell("alfworld", agent))
        assert path == Path("data/alfworld", owner, "hints.jsonl")
        assert tmp_path / path in made
        for stage in stages:
            if stage.name.startswith(READ_THE_BANK) and f"-{agent}" in stage.name:
                read = {Path(dep.fs_path) for dep in stage.deps if dep.fs_path}
                assert {p for p in read if p.name == "hints.jsonl"} == {tmp_path / path}
