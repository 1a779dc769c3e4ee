"""The one exception for what a user can put right."""

# Characters; of a foreign message that is shown in ours.
LONGEST_REASON = 300


class InputError(ValueError):
    """Bad input: a file, a frame, a key or a value; the message says which and what to do.

    The command line prints the message in one line and exits with code 2.
    """


def reason(error: Exception) -> str:
    """What an exception says, in one line; its type where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
