"""Writes YAML 1.2, which the code reads."""

import io

from ruamel.yaml import YAML


def yaml_text(content: object) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
