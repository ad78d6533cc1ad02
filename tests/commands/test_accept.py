"""`hintdistill accept`: an edit of comments and layout runs nothing, any other is refused."""

import json

import pytest
from small_pipeline import dvc, run
from yaml_text import yaml_text

from hintdistill.commands.accept import accept
from hintdistill.commands.check import find_problems
from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import parse_yaml

CODE = '''"""Doubles."""

FACTOR = 2


def double(number):
    """Twice a number."""
    return FACTOR * number
'''
WRITE = """import pathlib, sys
sys.path.insert(0, ".")
from code_of.double import double
out, given = map(pathlib.Path, sys.argv[1:])
out.write_text(str(double(int(given.read_text()))))
"""
PIPELINE = {
    "stages": {
        "first": {
            "cmd": "python write.py first.txt one.txt",
            "params": ["k"], "deps": ["write.py", "code_of", "one.txt"], "outs": ["first.txt"],
        },
        "second": {
            "cmd": "python write.py second.txt first.txt",
            "deps": ["write.py", "code_of/double.py", "first.txt"], "outs": ["second.txt"],
        },
    }
}  # fmt: skip


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A finished pipeline of two stages, committed; its artifacts are not at hand."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "code_of/double.py": CODE, "code_of/notes.txt": "n", "write.py": WRITE, "one.txt": "1",
        "params.yaml": "k: 1\n", "dvc.yaml": yaml_text(PIPELINE), ".dvcignore": "*.pyc\n",
        ".gitignore": "__pycache__/\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    run("git", "init", "-q")
    for key in ("user.name", "user.email"):
        run("git", "config", key, "test@localhost")
    dvc("init", "-q")
    dvc("repro", "-q")
    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "run")
    for name in ("first.txt", "second.txt"):
        (tmp_path / name).unlink()
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_comments_docstrings_and_layout_are_accepted_without_the_artifacts(clone):
    double = clone / "code_of/double.py"
    before = (clone / "dvc.lock").read_text()
    edit(double, "Twice a number.", "A number, two times.")
    edit(
        double,
        "    return FACTOR * number",
        "    # The factor first.\n    return (FACTOR\n * number)",
    )
    edit(double, '"""Doubles."""\n', "")
    assert {p.stage for p in find_problems(remote=False)} == {"first", "second"}
    assert accept() == ["first", "second"]
    assert find_problems(remote=False) == [] == accept()
    lock = (clone / "dvc.lock").read_text()
    after, old = (parse_yaml(text, "dvc.lock")["stages"] for text in (lock, before))
    for stage in after:
        assert after[stage]["outs"] == old[stage]["outs"]
        assert after[stage]["deps"] != old[stage]["deps"]
    run("git", "commit", "-q", "-am", "words")
    edit(double, "# The factor first.", "# Twice.")  # the next edit is compared with that commit
    run("git", "commit", "-q", "-am", "words, and dvc.lock forgotten")
    assert accept() == ["first", "second"]
    dvc("repro", "-q", "--allow-missing")
    assert not (clone / "first.txt").exists()  # nothing ran


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("code_of/double.py", "FACTOR = 2", "FACTOR = 3", r"code_of/double\.py differs"),
        ("code_of/double.py", "* number", "+ number", r"code_of/double\.py differs"),
        ("code_of/double.py", '"""Twice', "'x'; \"\"\"Twice", r"code_of/double\.py differs"),
        ("code_of/double.py", "return", "return (", r"code_of/double\.py is no Python"),
        ("code_of/notes.txt", "n", "m", r"code_of/notes\.txt differs"),
        ("one.txt", "1", "2", r"one\.txt differs from commit"),
        ("params.yaml", "k: 1", "k: 2", r"but code .* for first, also changed: k in params"),
        ("dvc.yaml", "second.txt first.txt", "second.txt  first.txt", "changed command"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_its_name_and_nothing_is_noted(clone, path, old, new, said):
    before = (clone / "dvc.lock").read_bytes()
    edit(clone / path, old, new)
    with pytest.raises(UserError, match=said):
        accept()
    assert (clone / "dvc.lock").read_bytes() == before


def test_a_new_file_counts_by_what_it_does(clone):
    (clone / "code_of/empty.py").write_text('"""Nothing."""\n')
    assert accept() == ["first"]
    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "empty")
    (clone / "code_of/more.py").write_text("MORE = 1\n")
    with pytest.raises(UserError, match=r"code_of/more\.py differs"):
        accept()


def test_a_stage_that_has_not_run_is_refused(clone):
    pipeline = json.loads(json.dumps(PIPELINE))
    pipeline["stages"]["third"] = {"cmd": "true", "deps": ["second.txt"], "outs": ["third.txt"]}
    (clone / "dvc.yaml").write_text(yaml_text(pipeline))
    with pytest.raises(UserError, match="third"):
        accept()
