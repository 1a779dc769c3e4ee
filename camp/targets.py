"""The table of targets: what a model can predict and data can be labelled with.

Labels and predictions travel under the names of this table; nothing else in the package knows
which targets exist. A task may add targets of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Sign = Literal["fixed", "free"]


@dataclass(frozen=True)
class Target:
    """One quantity, of every atom or of a whole structure."""

    name: str
    unit: str
    shape: tuple[int, ...] = ()  # () a number, (3,) a vector, (3, 3) a tensor of rank two, …
    per: str = "system"  # "atom" or "system"
    # Which places of the indices may change, as in "ij=ji"; "" for a number.
    symmetry: str = ""
    # How a structure's value follows from its atoms: "sum" (extensive) or "mean"; "" per atom.
    reduce: str = "sum"
    # "free": of a label only it or its negative is known, as a whole; losses and errors then take
    # the sign that fits better, structure by structure.
    sign: Sign = "fixed"
    # The derivative of another target, which the model need not predict by itself.
    derivative_of: str = ""
    # Names under which files have it, the likeliest first; it is the same target under any of them.
    keys: tuple[str, ...] = field(default=(), compare=False)
    # How errors are shown to people: in this unit, which is so many of the unit above.
    error_unit: str = ""
    error_factor: float = 1.0

    @property
    def rank(self) -> int:
        """Number of Cartesian indices."""
        return len(self.shape)

    def error(self, value: float) -> str:
        """An error in the target's unit as text, with a unit."""
        return f"{self.error_factor * value:.4g} {self.error_unit or self.unit}"

    @property
    def of_atoms(self) -> bool:
        return self.per == "atom"

    @property
    def extensive(self) -> bool:
        """Whether the value of two distant structures together is the sum of theirs."""
        return self.reduce == "sum"


def _tensor(
    name: str,
    unit: str,
    symmetry: str,
    *,
    per: str = "system",
    reduce: str = "sum",
    keys: tuple[str, ...],
) -> Target:
    rank = len(symmetry.partition("=")[0])
    return Target(
        name, unit, (3,) * rank, per, symmetry, "" if per == "atom" else reduce, keys=keys
    )


ENERGY = Target(
    "energy",
    "eV",
    keys=("energy", "REF_energy", "Energy", "dft_energy"),
    error_unit="meV/atom",
    error_factor=1000.0,
)
FORCES = Target(
    "forces",
    "eV/Å",
    (3,),
    per="atom",
    symmetry="i",
    reduce="",
    derivative_of="energy",
    keys=("forces", "REF_forces", "force", "Forces", "dft_forces"),
    error_unit="meV/Å",
    error_factor=1000.0,
)
STRESS = Target(
    "stress",
    "eV/Å³",
    (3, 3),
    symmetry="ij=ji",
    reduce="mean",
    derivative_of="energy",
    keys=("stress", "REF_stress"),
    error_unit="meV/Å³",
    error_factor=1000.0,
)
ELASTIC = _tensor("elastic", "GPa", "ijkl=jikl=klij", reduce="mean", keys=("elastic",))

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        ENERGY,
        FORCES,
        STRESS,
        _tensor("dipole", "e·Å", "i", keys=("dipole", "mu")),
        _tensor("atomic_dipole", "e·Å", "i", per="atom", keys=("atomic_dipole",)),
        _tensor("polarizability", "Å³", "ij=ji", keys=("polarizability", "alpha")),
        _tensor("hyperpolarizability", "a.u.", "ijk=ikj=jik", keys=("hyperpolarizability", "beta")),
        _tensor("shielding", "ppm", "ij", per="atom", keys=("shielding",)),
        _tensor("dielectric", "1", "ij=ji", reduce="mean", keys=("dielectric", "epsilon")),
        _tensor("piezoelectric", "C/m²", "ijk=ikj", reduce="mean", keys=("piezoelectric",)),
        ELASTIC,
    )
}


def resolve(
    names: Sequence[str],
    keys: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    signs: Mapping[str, Sign] | None = None,
) -> tuple[Target, ...]:
    """Targets of the table by name.

    :param keys: under which names files have them, where not as the table says.
    :param units: in which unit, where not in that of the table; nothing is converted.
    :param signs: whether labels have a sign, where not as the table says.
    :raises KeyError: no such target.
    """
    chosen = []
    for name in names:
        target = TARGETS[name]
        if keys and name in keys:
            target = replace(target, keys=(keys[name],))
        if units and units.get(name, target.unit) != target.unit:
            target = replace(target, unit=units[name])
        if signs and name in signs:
            target = replace(target, sign=signs[name])
        chosen.append(target)
    return tuple(chosen)


def monitored(names: Sequence[str]) -> str:
    """By whose validation error a model of several targets is judged: forces, else the first."""
    return FORCES.name if FORCES.name in names else names[0]
