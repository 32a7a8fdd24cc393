"""The error whose text is meant for a person."""


class UserError(Exception):
    """Something a person can put right: the text says what was wrong, where, and what to do.

    The programs print it without a traceback and exit with code 1.
    """
