"""YAML is read as its version 1.2, the same from every file, and errors say where."""

import ast
import math

import pytest
from closure import PACKAGE
from conftest import ROOT
from small_pipeline import dvc
from yaml_text import yaml_text

from hintdistill.core.errors import UserError
from hintdistill.core.yaml_file import parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5e-05", 5e-05), ("1e-4", 1e-4), ("1E5", 1e5), ("1e+3", 1e3), ("-2.5e-3", -2.5e-3),
        (".5", 0.5), ("1.", 1.0), (".inf", math.inf), ("010", 10), ("0o10", 8), ("0x1F", 31),
        ("'1e-4'", "1e-4"), ("1e", "1e"), ("1:30", "1:30"), ("yes", "yes"), ("on", "on"),
        ("No", "No"), ("y", "y"), ("true", True), ("False", False), ("~", None), ("", None),
        ("2026-01-01", "2026-01-01"), ("2026-13-45", "2026-13-45"), ("=", "="),
        ("2026-01-01 10:00:00", "2026-01-01 10:00:00"), ("[1e-4, no]", [1e-4, "no"]),
    ],
)  # fmt: skip
def test_values_are_those_of_yaml_1_2(written, value):
    read = parse_yaml(f"key: {written}", "params.yaml")["key"]
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb:\n  k: 1\n  k: 2\n", r'x\.yaml, line 4: .*duplicate key "k"'),
        ("a: 1\n1e-4: a\n0.0001: b\n", r"x\.yaml, line 3: .*duplicate key"),
        ("a: [1\nb: 2\n", r"x\.yaml, line 2: "),
        ("a:\n\t- b\n", r"x\.yaml, line 2: .*'\\t'"),
        ("a: 1\n---\nb: 2\n", r"x\.yaml, line 2: .*another document"),
        ("a: !!python/object:os.system x\n", r"x\.yaml, line 1: .*constructor for the tag"),
        ("a: !!int x\n", r"x\.yaml: .*'x'"),
        ("{a: 1}: 2\n", r"x\.yaml, line 1: .*unhashable"),
        ("a: " + "[" * 5000, r"x\.yaml.*: "),
        ("a: \x07\n", r"x\.yaml: .*unacceptable character"),
    ],
)
def test_an_error_is_one_line_that_names_file_line_and_problem(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError, match=said) as raised:
        read_yaml((tmp_path / "x.yaml").relative_to(tmp_path))
    assert len(str(raised.value).splitlines()) == 1 and "expected YAML" in str(raised.value)


def test_other_encodings_are_named_and_a_mark_of_utf_8_is_none_of_the_text(tmp_path):
    (tmp_path / "x.yaml").write_bytes("a: ä\r\n".encode("utf-8-sig"))
    assert read_yaml(tmp_path / "x.yaml") == {"a": "ä"}
    (tmp_path / "x.yaml").write_bytes("a: ä".encode("latin-1"))
    with pytest.raises(UserError, match=r"x\.yaml: expected YAML in UTF-8"):
        read_yaml(tmp_path / "x.yaml")


def test_nobody_reads_yaml_otherwise():
    """But for `variants`, which writes a parameter into a file and keeps its comments."""
    readers = set()
    for folder in (PACKAGE, ROOT / "benchmarks", ROOT / "tests"):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                if {"yaml", "ruamel"} & {name.split(".")[0] for name in names}:
                    readers.add(path.name)
    assert readers == {"yaml_file.py", "variants.py", "yaml_text.py"}


def test_every_yaml_file_of_the_repository_can_be_read_and_keeps_its_texts():
    """A text that YAML 1.1 and 1.2 read differently would have changed its meaning."""
    paths = [*ROOT.glob("*.yaml"), ROOT / "dvc.lock", *ROOT.glob("profiles/*.yaml")]
    paths += [*ROOT.glob("prompts/**/*.yaml"), *PACKAGE.rglob("*.yaml")]
    assert len(paths) > 10
    for path in paths:
        assert parse_yaml(yaml_text(content := read_yaml(path)), str(path)) == content


STAGE = """from hintdistill.core.params import StageParams
from hintdistill.core.settings import Settings


class TrainParams(Settings):
    learning_rate: float


class Params(StageParams):
    train: TrainParams


open("rate.txt", "w").write(str(Params.read().train.learning_rate))
"""


def test_a_stage_takes_a_parameter_as_dvc_writes_it(small):
    stage = {"cmd": "python stage.py", "params": ["train.learning_rate"], "outs": ["rate.txt"]}
    (small / "stage.py").write_text(STAGE)
    (small / "params.yaml").write_text("k: 1\ntrain:\n  learning_rate: 0.001\n")
    (small / "dvc.yaml").write_text(yaml_text({"stages": {"stage": stage}}))
    dvc("exp", "run", "-q", "-S", "train.learning_rate=0.00005")
    assert "learning_rate: 5e-05" in (small / "params.yaml").read_text()
    assert (small / "rate.txt").read_text() == "5e-05"
    (small / "params.yaml").write_text("train: {learning_rate: 1e-4}\n")
    dvc("repro", "-q")
    assert (small / "rate.txt").read_text() == "0.0001"
