"""O–O radial distribution functions of water that others measured or computed, as published.

- ``xray-2014``: exp-gor-water.txt, x-ray diffraction at 13 temperatures (Skinner, Benmore et al.,
  J. Chem. Phys. 2014, doi:10.1063/1.4902412); the column at 295.1 K with its error;
- ``xray-2013``: Ambient_water_xray_data.txt, x-ray diffraction at 22 °C (Skinner et al.,
  J. Chem. Phys. 138, 074506, 2013);
- ``neutron``: soper2013_dist_funcs, neutron together with x-ray diffraction, ambient (Soper 2013,
  doi:10.1155/2013/279463);
- ``revpbe0``: goo.gdr, 300 K, a neural network trained on revPBE0-D3 (Cheng et al. 2019,
  doi:10.1073/pnas.1815117116); its distances are in Bohr.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.units import Bohr

from camp.errors import InputError
from camp.report.simulations import Profile

_KELVIN = "295.1"


@dataclass(frozen=True)
class Reference:
    """A curve to compare with; the errors of ``profile`` are zero where none are published."""

    label: str
    profile: Profile


def read_water_reference(name: str, path: str | Path) -> Reference:
    """The O–O RDF of a published file, distances in Å.

    :param name: a key of LABELS.
    :raises InputError: unknown name, missing file, not that file.
    """
    if name not in LABELS:
        raise InputError(f"no reference {name!r}; choose one of {', '.join(LABELS)}")
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        profile = _READERS[name](lines)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, IndexError, StopIteration) as error:
        raise InputError(f"{path}: not the published file of {name} ({error})") from None
    if len(profile.x) < 2 or not np.all(np.diff(profile.x) > 0):
        raise InputError(f"{path}: not the published file of {name} (distances do not increase)")
    return Reference(LABELS[name], profile)


def _xray_2014(lines: list[str]) -> Profile:
    """Columns r, then for each temperature of the head line g and its error."""
    head, first = next(
        (line.split("\t"), k) for k, line in enumerate(lines) if line.startswith("T(K)")
    )
    column = [cell.strip() for cell in head].index(_KELVIN)
    # The line after the temperatures names the sample.
    rows = [line.split("\t") for line in lines[first + 2 :] if line.strip()]
    return Profile(*_columns(rows, 0, column, column + 1))


def _xray_2013(lines: list[str]) -> Profile:
    """Columns Q, I, S, and r, g, error; a head line of names and one of units."""
    first = next(k for k, line in enumerate(lines) if line.startswith("Q\t")) + 2
    rows = [line.split("\t") for line in lines[first:] if line.strip()]
    return Profile(*_columns(rows, 3, 4, 5))


def _neutron(lines: list[str]) -> Profile:
    """Columns r, O–O, its error, and those of O–H and H–H."""
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return Profile(*_columns(rows, 0, 1, 2))


def _revpbe0(lines: list[str]) -> Profile:
    """Columns r in Bohr, g."""
    r, g = _columns([line.split() for line in lines if line.strip()], 0, 1)
    return Profile(r * Bohr, g, np.zeros_like(g))


def _columns(rows: list[list[str]], *columns: int) -> list[np.ndarray]:
    return [np.array([float(row[column]) for row in rows]) for column in columns]


_READERS: dict[str, Callable[[list[str]], Profile]] = {
    "xray-2014": _xray_2014,
    "xray-2013": _xray_2013,
    "neutron": _neutron,
    "revpbe0": _revpbe0,
}
LABELS = {
    "xray-2014": "x-ray, 295 K (Skinner 2014)",
    "xray-2013": "x-ray, 295 K (Skinner 2013)",
    "neutron": "neutron and x-ray, ambient (Soper 2013)",
    "revpbe0": "revPBE0-D3 reference, 300 K",
}
