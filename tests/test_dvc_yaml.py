"""dvc.yaml against the code: what a stage imports and reads is what it declares."""

import importlib
import shutil
from pathlib import Path

import jinja2
import pytest
from closure import PACKAGE, import_closure
from conftest import ROOT
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from jinja2.meta import find_referenced_templates
from yaml_text import yaml_text

from hintdistill.core.by_name import names_in
from hintdistill.core.cell import BankParams, Cell
from hintdistill.core.declared import declared_deps, files_in
from hintdistill.core.params import StageParams
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.common.registry import environment_names
from hintdistill.evaluation.arms import ARMS, STUDENTS, TABLE
from hintdistill.stages.shared.server import ServerBlock

ENVS, AGENTS = environment_names(), names_in("hintdistill.agents")
NAMES = names_in("hintdistill.stages")


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Stages of dvc.yaml by name, their matrix resolved for all environments and agents."""
    root = tmp_path_factory.mktemp("all-cells")
    params = read_yaml(ROOT / "params.yaml")
    params |= {"envs": ENVS, "agents": AGENTS}
    (root / "params.yaml").write_text(yaml_text(params))
    shutil.copy(ROOT / "dvc.yaml", root)
    repo = Repo.init(str(root), no_scm=True)
    cells = {}
    for stage in repo.index.stages:
        cells.setdefault(stage.name.split("@")[0], []).append(stage)
    return cells


def item_of(stage):
    """The values of a stage's matrix."""
    values = stage.name.partition("@")[2].split("-")
    return dict(zip(("env", "agent", "arm"), filter(None, values), strict=False))


def paths_of(stage, folder="."):
    paths = [Path(str(dep.def_path)) for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    return {path for path in paths if folder == "." or path.is_relative_to(folder)}


def names_of(stage, folder):
    return {str(path) for path in paths_of(stage, folder)}


def params_of(name):
    """The class in which a stage declares the parameters that it reads: the most derived one."""
    module = importlib.import_module(f"hintdistill.stages.{name}")
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    declared = [c for c in classes if issubclass(c, StageParams) and c is not StageParams]
    (own,) = [c for c in declared if not any(c in d.__mro__[1:] for d in declared)] or [StageParams]
    return own


def keys_read(name, item):
    """The params keys of a stage's cell, whole blocks as DVC has them: `rollout.*`."""
    env, agent = item.get("env", ""), item.get("agent", "")
    keys = params_of(name).param_keys()
    return {key.replace("{env}", env).replace("{agent}", agent) for key in keys}


def leaves(params):
    """Every `block.key`, and lists and values by themselves."""
    return {
        f"{block}.{key}" if isinstance(keys, dict) else block
        for block, keys in params.items()
        for key in (keys if isinstance(keys, dict) else [block])
    }


def test_every_stage_of_dvc_yaml_is_a_file_and_says_what_it_does(stages):
    assert sorted(stages) == NAMES
    assert all(stage.desc for cells in stages.values() for stage in cells)


def test_dvc_yaml_fits_on_a_few_screens():
    lines = (ROOT / "dvc.yaml").read_text().splitlines()
    assert len(lines) <= 340
    assert sum(line.startswith("      - src/") for line in lines) <= 130


@pytest.mark.parametrize("name", NAMES)
def test_the_import_closure_lies_within_the_declared_folders(stages, name):
    unused = []
    for stage in stages[name]:
        item = item_of(stage)
        declared = paths_of(stage, "src")
        closure = import_closure(
            PACKAGE / f"stages/{name}.py", item.get("env", ""), item.get("agent", "")
        )
        needed = {path.relative_to(ROOT) for path in closure}
        outside = {f for f in needed if not any(f.is_relative_to(folder) for folder in declared)}
        assert not outside, f"{stage.name} imports what it does not depend on"
        spare = {d for d in declared if not any(f.is_relative_to(d) for f in needed)}
        unused.append({str(d).replace(item.get("env", "?"), "ENV") for d in spare})
    # What one environment's rules need of its folder, another's may not.
    assert not set.intersection(*unused), f"{name} depends on what no cell of it imports"


def test_no_stage_of_one_environment_or_agent_depends_on_anothers(stages):
    for cells in stages.values():
        for stage in cells:
            own = set(item_of(stage).values())
            for path in paths_of(stage, "."):
                others = set(ENVS + AGENTS) - own
                assert not others & {*path.parts, path.stem}, f"{stage.name}: {path}"


@pytest.mark.long
def test_a_stage_reads_its_dependencies_as_dvc_resolves_them(stages, tmp_path, monkeypatch):
    monkeypatch.chdir(stages["report"][0].repo.root_dir)
    for name, cells in stages.items():
        for stage in cells:
            expected = {Path(dep.fs_path).relative_to(Path.cwd()) for dep in stage.deps
                        if not isinstance(dep, ParamsDependency)}  # fmt: skip
            assert set(declared_deps(name, item_of(stage))) == expected


def test_what_tools_leave_in_folders_of_code_is_no_dependency(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    folder = Path("src/hints")
    for name in ("a.py", "texts.yaml", "__pycache__/a.cpython-311.pyc", ".a.py.swp", "a.py.orig",
                 "a.py~", ".ruff_cache/x", ".DS_Store", ".ipynb_checkpoints/a.py"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert {path.name for path in files_in(folder)} == {"a.py", "texts.yaml"}
    walked = {name for _, _, names in Repo.init(no_scm=True).dvcignore.walk(
        Repo().fs, str(tmp_path / folder)) for name in names}  # fmt: skip
    assert walked == {"a.py", "texts.yaml"}


@pytest.mark.parametrize("name", NAMES)
def test_params_are_those_the_stage_reads(stages, name):
    params = read_yaml(ROOT / "params.yaml")
    every = leaves(params)
    for stage in stages[name]:
        declared = {
            key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params
        }
        expanded = {
            leaf for leaf in every for key in declared if leaf == key or leaf.startswith(f"{key}.")
        }
        read = keys_read(name, item_of(stage))
        assert expanded == read, stage.name
        # A stage that reads all of a block names the block.
        for block in {key.split(".")[0] for key in read}:
            own = {leaf for leaf in every if leaf.split(".")[0] == block}
            assert (block in declared) == (own <= read), f"{stage.name}: {block}"


def test_every_parameter_is_read_by_some_stage():
    params = read_yaml(ROOT / "params.yaml")
    every = leaves(params)
    cells = [{"env": env, "agent": agent} for env in ENVS for agent in AGENTS]
    read = {key for name in NAMES for cell in cells for key in keys_read(name, cell)}
    # Which server is asked no stage can declare; nor a higher cap, which must make none run again.
    free = set(ServerBlock.param_keys())
    assert free <= every and not free & read
    # The lists of the matrix are read by dvc.yaml itself, and variants are what changes the rest.
    every = {leaf for leaf in every if not leaf.startswith("variants.")}
    assert every - {"envs", "agents"} - free <= read


def test_every_profile_is_complete():
    def keys(path):
        content = read_yaml(path) | {"variants": None}  # these are anybody's own
        return {name: sorted(block) for name, block in content.items() if isinstance(block, dict)}

    for path in (ROOT / "profiles").iterdir():
        assert keys(path) == keys(ROOT / "params.yaml"), path.name


def test_stages_that_render_prompts_depend_on_them(stages):
    included = set()
    for template in (ROOT / "prompts").glob("*/*/system.j2"):
        parsed = jinja2.Environment().parse(template.read_text())
        included |= {f"prompts/{name}" for name in find_referenced_templates(parsed)}
    assert included
    for name, cells in stages.items():
        for stage in cells:
            item = item_of(stage)
            env, agent = item.get("env", ""), item.get("agent", "")
            code = import_closure(PACKAGE / f"stages/{name}.py", env, agent)
            expected = set()
            if agent and PACKAGE / f"agents/{agent}.py" in code:
                expected |= {*included, f"prompts/{env}/{agent}"}
            for module in ("write/writers/extract", "give/rerank"):
                if PACKAGE / f"hints/{module}.py" in code:
                    expected.add(f"prompts/{env}/{Path(module).name}.j2")
            if name == "prompt_eval":
                expected.add(f"prompts/{env}/placebos.yaml")
            assert names_of(stage, "prompts") == expected, stage.name


def test_dvc_yaml_has_the_arms_of_the_table(stages):
    played = {
        (stage.name.split("@")[0], item_of(stage).get("arm", "base"))
        for name in ("base_eval", "prompt_eval", "student_eval")
        for stage in stages[name]
    }
    assert played == {(arm.stage, arm.name) for arm in TABLE}
    assert {item_of(stage)["arm"] for stage in stages["train"]} == set(STUDENTS)
    for stage in stages["figures"]:
        arms = {path.stem for path in paths_of(stage) if path.parent.name == "eval"}
        assert arms == set(ARMS)
    for arm in TABLE:
        assert set(arm.against) <= set(ARMS) - {arm.name} and arm.weights in ("base", *STUDENTS)
    for env in ENVS:
        sentences = read_yaml(ROOT / f"prompts/{env}/placebos.yaml")
        assert set(sentences) == {arm.name for arm in TABLE if arm.hints == "sentences"}


def test_the_report_depends_on_every_cell(stages):
    cells = {f"{env}-{agent}" for env in ENVS for agent in AGENTS}
    assert {stage.name.split("@")[1] for stage in stages["figures"]} == cells
    for stage in stages["figures"]:
        env, agent = item_of(stage).values()
        read = {f"data/{env}/{agent}/{name}.jsonl" for name in ("failures", "teacher")}
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
    params = read_yaml(ROOT / "params.yaml")
    params["agents"] = list(banks)
    params["hints"]["bank"] = bank
    (tmp_path / "params.yaml").write_text(yaml_text(params))
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
