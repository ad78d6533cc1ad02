"""The one exception that is shown to users as a message, without a traceback."""


class UserError(Exception):
    """Something the user can mend: says what was expected, what came, where, and how to mend it."""
