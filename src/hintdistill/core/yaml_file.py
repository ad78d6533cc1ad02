"""Reads YAML 1.2, as DVC writes it: `5e-05` is a number, `yes` is a word, and `010` is ten.

A key that stands twice in a block is an error, and a date or a time stays the text that it is.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hintdistill.core.errors import UserError


class _PlainConstructor(SafeConstructor):
    """Makes dicts, lists, texts, numbers and truth values, and nothing else."""


for _tag in ("timestamp", "value"):  # a date, and a lone `=`
    _PlainConstructor.add_constructor(
        f"tag:yaml.org,2002:{_tag}", SafeConstructor.construct_yaml_str
    )


def parse_yaml(text: str, where: str) -> Any:
    """The content of a text; a UserError names `where` it is from, the line and the problem."""
    yaml = YAML(typ="safe", pure=True)  # the one in C reads YAML 1.1
    yaml.Constructor = _PlainConstructor
    try:
        return yaml.load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(
            f"{where}{_place(error)}: expected YAML: {_problem(error)}. Mend it, or restore the "
            "file with `git checkout`."
        ) from None


def read_yaml(path: Path) -> Any:
    """The content of a file; an OSError where there is none, a UserError where it is no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected YAML in UTF-8: {error}. Save it as UTF-8.") from None
    return parse_yaml(text, str(path))


def _place(error: Exception) -> str:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    return f", line {mark.line + 1}" if mark else ""


def _problem(error: Exception) -> str:
    """The problem in one line."""
    said = error.problem if isinstance(error, MarkedYAMLError) else str(error)
    return (said or str(error)).strip().splitlines()[0][:200]
