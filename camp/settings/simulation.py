"""The settings of one simulation and of its analysis."""

from collections.abc import Iterator
from pathlib import Path

from camp.errors import InputError
from camp.settings.layers import Layer, Layers, merge, read_yaml
from camp.settings.schema import ANALYSIS, DEFAULT_ANALYSIS, DEFAULT_MD, MD, Json

REQUIRED = ("temperature", "timestep", "length")


def load_simulation(path: str | Path) -> Json:
    """The file that ``camp md`` reads, complete with defaults.

    Temperature in K; timestep, thermostat_time and sample_every in fs; length and equilibration
    in ps.

    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    given = Layers([Layer(str(path), read_yaml(path))])
    given.validate(MD)
    for key in REQUIRED:
        if key not in given.content:
            raise InputError(f"{path}: lacking is the key '{key}'")
    settings = merge(DEFAULT_MD, given.content)
    for key, complaint in impossible_times(settings):
        raise given.error([key], complaint)
    return settings


def load_analysis(path: str | Path) -> Json:
    """The file that ``camp analyse`` reads, complete with defaults.

    Distances in Å, angles by their cutoff in Å, times in ps.

    :raises InputError: unknown key, wrong type, impossible value; one line.
    """
    given = Layers([Layer(str(path), read_yaml(path))])
    given.validate(ANALYSIS)
    return merge(DEFAULT_ANALYSIS, given.content)


def impossible_times(settings: Json) -> Iterator[tuple[str, str]]:
    """What no schema can see: times that do not fit each other; (key, complaint)."""
    timestep, sample = settings["timestep"], settings["sample_every"]
    if not _is_multiple(sample, timestep):
        yield "sample_every", f"is {sample} fs, no multiple of the timestep of {timestep} fs"
    for key in ("length", "equilibration"):
        if not _is_multiple(1000 * settings[key], sample) and settings[key]:
            yield key, f"is {settings[key]} ps, no multiple of sample_every ({sample} fs)"


def _is_multiple(time: float, unit: float) -> bool:
    count = time / unit
    return 0.5 < count < 2**53 and abs(count - round(count)) < 1e-6 * max(1.0, count)
