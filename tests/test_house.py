"""How the house is built: arrows point one way, a name is one thing's, words are plain."""

import ast
from collections import Counter
from pathlib import Path

import pytest
from closure import PACKAGE, module_file
from conftest import ROOT

from hintdistill.environments.common.registry import environment_names

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.stat().st_size)
TREES = {path: ast.parse(path.read_text()) for path in FILES}
# What each folder may import, besides itself: arrows point one way.
MAY_IMPORT = {
    "core": set(),
    "environments": {"core"},
    "llm": {"core"},
    "agents": {"core", "environments", "llm"},
    "hints": {"core", "environments", "llm", "agents"},
    "training": {"core", "environments", "llm", "agents", "hints"},
    "evaluation": {"core", "environments", "llm", "agents", "hints", "training"},
    "stages": {"core", "environments", "llm", "agents", "hints", "training", "evaluation"},
}


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith(PACKAGE.name):
            yield from (module_file(f"{node.module}.{a.name}") or module_file(node.module)
                        for a in node.names)  # fmt: skip


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_arrows_point_one_way(folder):
    for path, tree in TREES.items():
        if folder_of(path) == folder:
            others = {folder_of(found) for found in imported(tree)} - {folder}
            assert others <= MAY_IMPORT[folder], path


@pytest.mark.parametrize("env", environment_names())
def test_an_environment_knows_no_other_one_and_nobody_outside_names_it(env):
    home = PACKAGE / "environments" / env
    others = {PACKAGE / "environments" / name for name in environment_names()} - {home}
    for path, tree in TREES.items():
        if path.is_relative_to(home):
            assert not any(f.is_relative_to(o) for f in imported(tree) for o in others), path
            continue
        assert not any(found.is_relative_to(home) for found in imported(tree)), path
        docs = {ast.get_docstring(node, clean=False) for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)}  # fmt: skip
        texts = [n.value for n in ast.walk(tree)
                 if isinstance(n, ast.Constant) and isinstance(n.value, str)]  # fmt: skip
        named = [t for t in texts if env in t and t not in docs and "as in" not in t]
        assert named == [] or others & {*path.parents}, path


def test_no_two_classes_share_a_name():
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_module_says_what_it_does_and_none_begins_with_what():
    for path, tree in TREES.items():
        said = ast.get_docstring(tree) or ""
        assert said and not said.startswith("What "), path


def test_files_are_short():
    assert [path for path in FILES if len(path.read_text().splitlines()) > 350] == []


def test_the_readme_fits_in_a_head_and_its_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for link in page.read_text().split("](")[1:]:
            target = link.split(")")[0].split("#")[0]
            assert not target or "://" in target or (page.parent / target).exists(), (page, target)
    assert len((ROOT / "README.md").read_bytes()) <= 10_000
