"""The one exception for what a user can put right."""


class InputError(ValueError):
    """Bad input: a file, a frame, a key or a value; the message says which and what to do.

    The command line prints the message in one line and exits with code 2.
    """
