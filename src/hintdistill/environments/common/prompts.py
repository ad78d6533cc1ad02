"""Renders the Jinja templates of prompts/; an unset variable is an error."""

from pathlib import Path

import jinja2

from hintdistill.core.errors import UserError

PROMPTS = Path("prompts")


def render_prompt(name: str, **variables: object) -> str:
    """Render a template, as in `alfworld/extract.j2`.

    A UserError where it is missing, broken, or asks for a variable that is not given.
    """
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PROMPTS), undefined=jinja2.StrictUndefined, autoescape=False
    )
    try:
        return jinja.get_template(name).render(**variables).strip()
    except jinja2.TemplateNotFound:
        raise UserError(
            f"{PROMPTS / name}: expected a template, found none. Run from the repository's root."
        ) from None
    except jinja2.TemplateError as error:
        raise UserError(f"{PROMPTS / name}: {error}") from None
