"""Files of records: JSONL and JSON, written whole or not at all, checked when they are read.

A JSONL file holds one kind of record. Lines have sorted keys and no float but a finite one, so
equal records are equal bytes.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import jsonlines
from pydantic import ValidationError

from hintdistill.core.errors import UserError
from hintdistill.core.records import Record, Sha256

R = TypeVar("R", bound=Record)


def file_sha256(path: Path) -> Sha256:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dumps(record: Record) -> str:
    """The record's one line of JSON."""
    content = record.model_dump(by_alias=True)
    return json.dumps(content, ensure_ascii=False, sort_keys=True, allow_nan=False)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: to a sibling first, then moved over the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        error.filename = str(path)  # a disk that is full does not say for which file
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_jsonl(path: Path, records: Sequence[Record]) -> None:
    write_text(path, "".join(dumps(record) + "\n" for record in records))


def reason_of(error: OSError | ValueError) -> str:
    """Why a file can't be read, or a value not be used, in one line."""
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the line"
    return f"{where}: {first['msg']}, got {str(first['input'])[:80]!r}"


def read_json(path: Path, kind: type[R]) -> R:
    """Read a JSON file of figures; a UserError where it is missing or is not of that kind."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(
            f"{path}: expected {kind.__name__} as JSON; {reason_of(error)}. "
            "Make it with `dvc repro`, or restore it with `git checkout`."
        ) from None


def read_figures(path: Path) -> dict[str, Any]:
    """Read a JSON file of figures as it is; a UserError where it is missing or none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: expected figures as JSON: {error}. Make it with `dvc repro`, or restore it "
            "with `git checkout`."
        ) from None


def read_jsonl(path: Path, kind: type[R]) -> list[R]:
    """Read a file of one kind of record; a UserError names the line that is none."""
    if not path.is_file():
        raise UserError(
            f"{path}: expected a JSONL file of {kind.__name__} records, found no file. "
            "Make it with `dvc repro`, or fetch it with `dvc pull`."
        )
    records: list[R] = []
    try:
        with jsonlines.open(path) as reader:
            for line in reader.iter(allow_none=True):
                records.append(kind.model_validate(line))
    except (jsonlines.InvalidLineError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(
            f"{path}, line {len(records) + 1}: expected a {kind.__name__} record; "
            f"{reason_of(error)}. Remove the file and run `dvc repro`, or restore it with "
            "`dvc checkout`."
        ) from None
    return records
