"""How a simulation is made, and what is computed from it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from camp.settings.base import Element, Settings, text

Pair = Annotated[str, text("a pair such as O-O", r"^[A-Z][a-z]?-[A-Z][a-z]?$")]
Triple = Annotated[str, text("a triple such as S-P-S", r"^[A-Z][a-z]?-[A-Z][a-z]?-[A-Z][a-z]?$")]


class MdSettings(Settings):
    """One simulation: its conditions, its length, and how it is made."""

    temperature: float = Field(
        gt=0, description="K; of the velocities at the start, and of the thermostat"
    )
    timestep: float = Field(gt=0, le=20, description="fs")
    # The paper's thermostat is not printed; this is a usual one.
    thermostat_time: float = Field(100.0, gt=0, description="fs")
    length: float = Field(gt=0, description="ps, of each replica; a multiple of `sample_every`")
    equilibration: float = Field(
        0.0, ge=0, description="ps before that, always NVT, not analysed; a multiple likewise"
    )
    sample_every: float = Field(
        10.0, gt=0, description="fs between saved frames; a multiple of `timestep`"
    )
    ensemble: Literal["nvt", "nve"] = Field("nvt", description="`nvt` (Nosé–Hoover chain) or `nve`")
    replicas: int = Field(1, ge=1, description="independent runs")
    seed: int = Field(1, ge=0, description="of the velocities; replica k has `seed` + k − 1")
    save_forces: bool = Field(False, description="forces in the trajectories too")
    engine: Literal["ase", "torchsim"] = Field(
        "ase",
        description="`ase`: one job for each replica; `torchsim`: all replicas in one batch, for "
        "GPUs",
    )
    compile: bool = Field(
        True, description="use compiled code on the CPU, where there is a C++ compiler"
    )
    uncertainty_threshold: float | None = Field(
        None,
        gt=0,
        description="eV/Å; of several models: a replica ends with the sample in which they "
        "disagree by more in the force on an atom",
    )

    def impossible_times(self) -> Iterator[tuple[str, str]]:
        """Times that do not fit each other: (key, complaint)."""
        timestep, sample = self.timestep, self.sample_every
        if not _is_multiple(sample, timestep):
            yield (
                "sample_every",
                f"is {sample:g} fs, no multiple of the timestep of {timestep:g} fs",
            )
        for key in ("length", "equilibration"):
            if (time := getattr(self, key)) and not _is_multiple(1000 * time, sample):
                yield key, f"is {time:g} ps, no multiple of sample_every ({sample:g} fs)"


def _is_multiple(time: float, unit: float) -> bool:
    count = time / unit
    return 0.5 < count < 2**53 and abs(count - round(count)) < 1e-6 * max(1.0, count)


class AnalysisSettings(Settings):
    """What is computed from the trajectories of a simulation."""

    rdf: list[Pair] = Field(
        [],
        description="pairs such as `O-H`; the total g(r) of a periodic system is always there",
    )
    rdf_bin: float = Field(0.05, gt=0, le=1, description="width of a bin, Å")
    rdf_max: float | None = Field(
        None, gt=0, description="largest distance, Å; null: half the height of the cell"
    )
    adf: dict[Triple, Annotated[float, Field(gt=0)]] = Field(
        {}, description="angles with the longest side, Å: `{S-P-S: 2.6}`"
    )
    msd: list[Element] = Field([], description="species whose diffusion is computed")
    fit: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2)] | None = Field(
        None,
        description="first and last time of the linear fit, ps; null: a tenth and half of the "
        "length",
    )
    stability: Literal["rdf", "bonds", "end"] = Field(
        "end",
        description="`rdf` (Eq. 16, periodic systems), `bonds` (Eq. 17, molecules), `end` (only "
        "an explosion counts)",
    )
    threshold: float = Field(1.0, gt=0, description="Δ of both equations, Å")
    window: float = Field(1.0, gt=0, description="τ of Eq. 16, ps")


class SimulationConditions(Settings):
    """A simulation as ``simulations.yaml`` has it."""

    title: str
    md: MdSettings
    analysis: AnalysisSettings
