"""The hints of the rules of diagnosis, by cause and form; texts.yaml has the sentences."""

from pathlib import Path

from hintdistill.core.yaml_file import read_yaml

TEXTS: dict[str, dict[str, str]] = read_yaml(Path(__file__).with_name("texts.yaml"))
GRAMMAR = TEXTS["grammar"]
TRANSFORMATION = TEXTS["missed_transformation"]
SECOND_OBJECT = TEXTS["second_object"]
LAMP = TEXTS["lamp"]
PRECONDITION = TEXTS["unmet_precondition"]
SKIPPED_CONTAINER = TEXTS["skipped_container"][""]
REPEATED_SEARCH = TEXTS["repeated_search"][""]
MALFORMED = TEXTS["malformed"]
REPEATED_ACTION = TEXTS["repeated_action"][""]
BUDGET = TEXTS["budget"]
