"""Chat templates that write today's date: the prompt must be the same tomorrow.

The date that is written instead is the one that Llama 3.1's template falls back on. It is set in
the template itself, which is saved beside the weights, so that servers write it too.
"""

import re
from datetime import date

from hintdistill.core.errors import UserError

FIXED_DATE = date(2024, 7, 26)
_CALL = re.compile(r"""\bstrftime_now\s*\(\s*(?P<quote>['"])(?P<form>.*?)(?P=quote)\s*\)""")


def without_dates(template: str) -> str:
    """The template with FIXED_DATE, as it writes it; a UserError where the form isn't a literal."""
    fixed = _CALL.sub(
        lambda call: f"{call['quote']}{FIXED_DATE.strftime(call['form'])}{call['quote']}", template
    )
    if left := re.search(r"\bstrftime_now\s*\(.{0,60}", fixed):
        raise UserError(
            f"chat template: expected strftime_now with a date's form in quotes, got {left[0]!r}: "
            "prompts would change by the day. Take a template without it."
        )
    return fixed
