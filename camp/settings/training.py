"""The settings of one training."""

from pathlib import Path

from camp.errors import InputError
from camp.settings.layers import Layer, Layers, merge, read_yaml
from camp.settings.schema import DEFAULT_MODEL, DEFAULT_TRAINING, OWN_TRAINING, Json


def load_training(path: str | Path) -> Json:
    """The file that ``camp train`` reads, complete with defaults for ``model`` and ``training``.

    It says where the structures are with ``data`` and ``split`` (a file of ``camp split``), or
    with the files ``train``, ``validation`` and, if there is one, ``test``. Paths are relative to
    the current folder.

    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    given = Layers([Layer(str(path), read_yaml(path))])
    given.validate(OWN_TRAINING)
    content = given.content
    pairs = (("data", "split"), ("train", "validation"))
    complete = [pair for pair in pairs if all(key in content for key in pair)]
    started = [pair for pair in pairs if any(key in content for key in pair)]
    if len(complete) != 1 or len(started) != 1:
        raise InputError(
            f"{path}: give the structures either as 'data' and 'split', or as 'train' and "
            "'validation' (and 'test')"
        )
    defaults = {
        "task": Path(path).stem,
        "title": "",
        "labels": {},
        "model": DEFAULT_MODEL,
        "training": DEFAULT_TRAINING,
    }
    return merge(defaults, content)
