"""Reading of a file that may be damaged, within a time limit."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from camp.errors import InputError

# Far more than any file here needs, on a machine that is busy.
SECONDS = 20


class HangingError(BaseException):
    """Not an Exception, which a reader may catch."""


@contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangingError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def result_of(read: Callable[[Path], object], path: Path) -> object:
    """What a file holds; None if it is refused as it should be."""
    try:
        with time_limit():
            return read(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        # A mistake in one file of a scale may be seen in another.
        assert str(path.parent) in str(error)
        return None
