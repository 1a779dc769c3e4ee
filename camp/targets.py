"""The table of targets: what a model can predict and data can be labelled with.

Labels and predictions travel under the names of this table; nothing else in the package knows
which targets exist. A task may add targets of its own.
"""

from dataclasses import dataclass


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
    # The derivative of another target, which the model need not predict by itself.
    derivative_of: str = ""
    # Names under which files have it, the likeliest first.
    keys: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Number of Cartesian indices."""
        return len(self.shape)

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


ENERGY = Target("energy", "eV", keys=("energy", "REF_energy", "Energy", "dft_energy"))
FORCES = Target(
    "forces",
    "eV/Å",
    (3,),
    per="atom",
    symmetry="i",
    reduce="",
    derivative_of="energy",
    keys=("forces", "REF_forces", "force", "Forces", "dft_forces"),
)
STRESS = Target(
    "stress",
    "eV/Å³",
    (3, 3),
    symmetry="ij=ji",
    reduce="mean",
    derivative_of="energy",
    keys=("stress", "REF_stress"),
)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        ENERGY,
        FORCES,
        STRESS,
        _tensor("dipole", "e·Å", "i", keys=("dipole", "mu")),
        _tensor("polarizability", "Å³", "ij=ji", keys=("polarizability", "alpha")),
        _tensor("hyperpolarizability", "a.u.", "ijk=ikj=jik", keys=("hyperpolarizability", "beta")),
        _tensor("shielding", "ppm", "ij", per="atom", keys=("shielding",)),
        _tensor("dielectric", "1", "ij=ji", reduce="mean", keys=("dielectric", "epsilon")),
        _tensor("piezoelectric", "C/m²", "ijk=ikj", reduce="mean", keys=("piezoelectric",)),
        _tensor("elastic", "GPa", "ijkl=jikl=klij", reduce="mean", keys=("elastic",)),
    )
}
