"""One simulation: replicas from their starting structures to their trajectories, resumable."""

import hashlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell
from ase.md.velocitydistribution import Stationary, ZeroRotation, thermalize_momenta
from tqdm import tqdm

from camp.errors import InputError
from camp.files import locked, read_json, write_json
from camp.graph.neighbours import neighbour_list
from camp.identity import identity
from camp.md.code import simulation_code
from camp.md.states import Engine, Sample, State, temperature_of
from camp.md.trajectory import (
    RUN_FILE,
    SUMMARY_FILE,
    UNSEEN_SETTINGS,
    Writer,
    number_of_frames,
    read_state,
    trajectory_name,
)
from camp.potential.ensemble import Ensemble
from camp.potential.prediction import Predictor
from camp.potential.saving import model_hash
from camp.settings import MdSettings

# Å; no bond is as short as this, and no potential has learnt what happens below.
OVERLAP_DISTANCE = 0.5
# Settings that may change between two parts of one run.
FREE_SETTINGS = ("length", *UNSEEN_SETTINGS)

# (states, ensemble) → engine
MakeEngine = Callable[[Sequence[State], str], Engine]


def check_structure(potential: Predictor, atoms: Atoms) -> None:
    """Refuse a structure with which this potential cannot simulate.

    :raises InputError: unknown species, overlapping atoms, or a periodic cell so small that atoms
        would meet their own images.
    """
    potential.graph(atoms)
    i, j, _ = neighbour_list(atoms, OVERLAP_DISTANCE)
    if len(i):
        raise InputError(
            f"atoms {i[0]} and {j[0]} overlap: they are less than {OVERLAP_DISTANCE} Å apart; "
            "correct the structure"
        )
    if atoms.pbc.any():
        heights = 1.0 / np.linalg.norm(np.linalg.inv(complete_cell(atoms.cell)), axis=0)
        smallest = heights[atoms.pbc].min()
        if smallest < potential.cutoff:
            raise InputError(
                f"the cell is {smallest:.2f} Å high, less than the model's cutoff of "
                f"{potential.cutoff:g} Å, so that atoms would meet their own images; repeat it"
            )


def run_identity(
    potential: Predictor, structures: Sequence[Atoms], settings: MdSettings, dtype: str
) -> str:
    """The identity of a run: model, starting structures, precision, settings but for the length."""
    start = hashlib.sha256()
    for atoms in structures:
        for values in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
            start.update(np.ascontiguousarray(values).tobytes())
    fixed = settings.model_dump(exclude=set(FREE_SETTINGS))
    return identity(
        {**fixed, "dtype": dtype},
        inputs=[model_hash(potential), start.hexdigest()],
        code=simulation_code(settings.engine, potential.architecture),
    )


def initial_state(atoms: Atoms, temperature: float, seed: int) -> State:
    """Velocities drawn at a temperature (K): no drift, for molecules no rotation either."""
    start = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    thermalize_momenta(start, temperature, rng=np.random.default_rng(seed))
    Stationary(start, preserve_temperature=False)
    if not atoms.pbc.any():
        ZeroRotation(start, preserve_temperature=False)
    return State(0, start)


class _Run:
    """The files of one run, and how far its replicas have come."""

    def __init__(self, out: Path, identity: str, settings: MdSettings):
        self.out = out
        self.identity = identity
        self.per_sample = round(settings.sample_every / settings.timestep)
        self.timestep = settings.timestep
        self.save_forces = settings.save_forces
        samples = {
            phase: round(1000 * getattr(settings, phase) / settings.sample_every)
            for phase in ("equilibration", "length")
        }
        self.equilibration = samples["equilibration"] * self.per_sample
        self.steps = self.equilibration + samples["length"] * self.per_sample
        # By replica: why it exploded or was stopped, and the steps per second that it made.
        self.exploded: dict[str, str] = {}
        self.uncertain: dict[str, str] = {}
        self.speeds: dict[str, float] = {}

    def open(self, *, set_aside: bool) -> None:
        """Claim the folder.

        :raises InputError: it holds something else.
        """
        path = self.out / RUN_FILE
        known = read_json(path) if path.exists() else None
        if path.exists() and not _is_record(known):
            raise InputError(f"{path}: damaged; choose another --out, or delete the folder")
        if known is None and any(self.out.glob("*.traj")):
            raise InputError(f"{self.out} holds trajectories that are not of this run")
        if known is not None and known.get("run") != self.identity:
            if not set_aside:
                raise InputError(
                    f"{self.out} holds a run with another model, structure or settings, in "
                    "another precision, or of other code; choose another --out, or move it away "
                    "with --set-aside"
                )
            self._set_aside()
            known = None
        if known is None:
            self.save()
        else:
            self.exploded = known["exploded"]
            self.uncertain = known.get("uncertain", {})
            self.speeds = known.get("steps_per_second", {})

    def _set_aside(self) -> None:
        number = 1 + sum(1 for _ in self.out.glob("superseded-*"))
        aside = self.out / f"superseded-{number}"
        aside.mkdir()
        for file in [*self.out.glob("*.traj"), self.out / RUN_FILE, self.out / SUMMARY_FILE]:
            if file.exists():
                file.rename(aside / file.name)
        print(f"{self.out} held another run; moved to {aside}", file=sys.stderr)

    def save(self) -> None:
        content = {
            "run": self.identity,
            "exploded": self.exploded,
            "uncertain": self.uncertain,
            "steps_per_second": self.speeds,
        }
        write_json(self.out / RUN_FILE, content)

    def mark_exploded(self, replica: int, reason: str) -> None:
        if str(replica) not in self.exploded:
            self.exploded[str(replica)] = reason
            self.save()

    def mark_uncertain(self, replica: int, deviation: float) -> None:
        self.uncertain[str(replica)] = (
            f"the members of the ensemble disagree by {deviation:.3g} eV/Å in a force"
        )
        self.save()

    def has_ended(self, replica: int) -> bool:
        """Whether it ended before its time."""
        return str(replica) in self.exploded or str(replica) in self.uncertain

    def writer(self, replica: int) -> Writer:
        path = self.out / trajectory_name(replica)
        return Writer(path, self.identity, forces=self.save_forces)

    def time(self, step: int) -> float:
        """fs since the end of the equilibration."""
        return (step - self.equilibration) * self.timestep

    def summary_of(self, replica: int, seed: int) -> dict[str, Any]:
        """How a replica ended. Its speed is None where nothing tells it any more.

        :param seed: of the first replica.
        """
        explosion = self.exploded.get(str(replica), "")
        doubt = self.uncertain.get(str(replica), "")
        return {
            "replica": replica,
            "seed": seed + replica - 1,
            "trajectory": trajectory_name(replica),
            "end": "exploded" if explosion else "uncertain" if doubt else "completed",
            "reason": explosion or doubt,
            "time_fs": self.time(self.reached(replica) or 0),
            "steps_per_second": self.speeds.get(str(replica)),
        }

    def reached(self, replica: int) -> int | None:
        """The step of the last sample of a replica, if it has one."""
        frames = number_of_frames(self.out / trajectory_name(replica))
        return (frames - 1) * self.per_sample if frames else None

    def other_replicas(self, replicas: Sequence[int]) -> list[dict[str, Any]]:
        """What an earlier part of this run wrote about replicas that are not of this part."""
        known = _summarised(self.out / SUMMARY_FILE, self.identity)
        return [entry for entry in known if entry["replica"] not in replicas]

    def state(self, replica: int, step: int) -> State:
        path = self.out / trajectory_name(replica)
        return read_state(path, step // self.per_sample, self.identity)


def simulate(
    potential: Predictor,
    structures: Sequence[Atoms],
    settings: MdSettings,
    make_engine: MakeEngine,
    *,
    out: Path,
    replicas: Sequence[int],
    dtype: str = "float32",
    source: str = "structure",
    set_aside: bool = False,
    progress: bool = False,
    machine: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Simulate, from the start or from where an earlier call was stopped.

    Replica k starts from structure k − 1 (counted around) with velocities of seed + k − 1, is
    brought to its temperature in the NVT ensemble, and is then simulated in the ensemble that is
    asked for. Each sample is a frame of ``out/replica-k.traj``, and at the end
    ``out/simulation.json`` says how every replica ended. An exploding replica is a result: it
    ends there, the others go on. So does one of an ensemble with a sample whose forces deviate by
    more than the threshold; this sample is the last one written.

    :param replicas: which ones, counted from 1.
    :param dtype: in which the engine evaluates the potential: "float32" or "float64".
    :param source: how messages call a structure, before its number.
    :param set_aside: move another run out of the way instead of refusing.
    :param machine: what the summary says about device and threads.
    :return: the content of simulation.json.
    :raises InputError: a model without energies, a structure that cannot be simulated, or another
        run in the folder.
    """
    potential.require_energy("a simulation")
    if settings.uncertainty_threshold and not isinstance(potential, Ensemble):
        raise InputError("uncertainty_threshold is for several models; give two or more")
    for number, atoms in enumerate(structures):
        if not np.array_equal(atoms.numbers, structures[0].numbers):
            raise InputError(f"{source} {number} has other atoms than the first; use one system")
        try:
            check_structure(potential, atoms)
        except InputError as error:
            raise InputError(f"{source} {number}: {error}") from None
    run = _Run(out, run_identity(potential, structures, settings, dtype), settings)
    with locked(out):
        run.open(set_aside=set_aside)
        for group in _side_by_side(run, replicas):
            _advance_to_the_end(
                run, structures, settings, make_engine, replicas=group, progress=progress
            )
        first = structures[0]
        summary = {
            "run": run.identity,
            "settings": settings.model_dump(),
            "model_sha256": model_hash(potential),
            "smooth_at_cutoff": potential.settings.smooth_at_cutoff,
            "structure": {
                "formula": first.get_chemical_formula(),
                "atoms": len(first),
                "cell": first.cell.array.tolist() if first.cell.rank == 3 else None,
                "pbc": first.pbc.tolist(),
            },
            **(machine or {}),
            "dtype": dtype,
            "replicas": sorted(
                [
                    *run.other_replicas(replicas),
                    *(run.summary_of(replica, settings.seed) for replica in replicas),
                ],
                key=lambda entry: entry["replica"],
            ),
        }
        write_json(out / SUMMARY_FILE, summary)
    return summary


def _side_by_side(run: _Run, replicas: Sequence[int]) -> Iterator[list[int]]:
    """The replicas that have steps to make, in groups that make them together. An interruption
    leaves those of a group one sample apart at most; one that was added later comes far behind.
    """
    reached = {
        replica: run.reached(replica) or 0 for replica in replicas if not run.has_ended(replica)
    }
    waiting = sorted(reached, key=lambda replica: (reached[replica], replica))
    while waiting and reached[waiting[0]] < run.steps:
        most = reached[waiting[0]] + run.per_sample
        group = [replica for replica in waiting if reached[replica] <= most]
        yield sorted(group)
        waiting = waiting[len(group) :]


def _advance_to_the_end(
    run: _Run,
    structures: Sequence[Atoms],
    settings: MdSettings,
    make_engine: MakeEngine,
    *,
    replicas: Sequence[int],
    progress: bool,
) -> None:
    """Simulate these replicas together; their speed is the steps per second of all of them."""
    reached = {replica: run.reached(replica) for replica in replicas}
    # One that was saved once more than another waits for it.
    step = min(frames or 0 for frames in reached.values())
    states = {
        replica: _starting_state(structures, settings, replica)
        if reached[replica] is None
        else run.state(replica, step)
        for replica in replicas
    }
    most = settings.uncertainty_threshold or math.inf
    engine = None
    made, seconds = 0, 0.0
    with ExitStack() as stack:
        writers = {replica: stack.enter_context(run.writer(replica)) for replica in replicas}
        bar = stack.enter_context(
            tqdm(total=run.steps, initial=step, unit="step", disable=not progress)
        )
        while states and step < run.steps:
            if engine is None or step == run.equilibration:
                ensemble = "nvt" if step < run.equilibration else settings.ensemble
                if step == run.equilibration:
                    # What follows the equilibration starts with a thermostat of its own.
                    states = {one: State(step, state.atoms) for one, state in states.items()}
                engine = make_engine(list(states.values()), ensemble)
                present = list(states)
                for replica, sample in zip(present, engine.samples(), strict=True):
                    writers[replica].write(sample, run.time(step))
                    # Also of a run that was interrupted before it could say so.
                    if (deviation := sample.deviation or 0.0) > most:
                        run.mark_uncertain(replica, deviation)
                        del states[replica]
                if len(states) < len(present):
                    engine = None
                    continue
            start = time.perf_counter()
            engine.advance(run.per_sample)
            seconds += time.perf_counter() - start
            made += len(states) * run.per_sample
            step += run.per_sample
            samples = dict(zip(present, engine.samples(), strict=True))
            for replica, sample in samples.items():
                if sample.failed:
                    run.mark_exploded(replica, sample.failed)
                    continue
                deviation = sample.deviation or 0.0
                if deviation > most or step != run.equilibration:
                    writers[replica].write(sample, run.time(step))
                if deviation > most:
                    run.mark_uncertain(replica, deviation)
                    # The others go on without it.
                    engine = None
            states = {
                replica: sample.state
                for replica, sample in samples.items()
                if not run.has_ended(replica)
            }
            bar.update(run.per_sample)
            bar.set_postfix_str(_postfix(samples.values()))
    if made:
        run.speeds |= dict.fromkeys(map(str, replicas), made / seconds)
        run.save()


def _starting_state(structures: Sequence[Atoms], settings: MdSettings, replica: int) -> State:
    atoms = structures[(replica - 1) % len(structures)]
    return initial_state(atoms, settings.temperature, settings.seed + replica - 1)


def _is_record(known: Any) -> bool:
    """Whether this is what :meth:`_Run.save` writes."""
    if not isinstance(known, dict) or not isinstance(known.get("exploded"), dict):
        return False
    if not isinstance(known.get("uncertain", {}), dict):
        return False
    speeds = known.get("steps_per_second", {})
    return isinstance(speeds, dict) and all(isinstance(v, int | float) for v in speeds.values())


def _summarised(path: Path, identity: str) -> list[dict[str, Any]]:
    """The replicas in a summary, if there is one of this run."""
    content = read_json(path) if path.exists() else {"replicas": []}
    if isinstance(content, dict) and content.get("run", identity) != identity:
        return []
    entries = content.get("replicas") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict)
        and isinstance(entry.get("replica"), int)
        and isinstance(entry.get("steps_per_second"), int | float | None)
        for entry in entries
    ):
        raise InputError(f"{path}: damaged; delete it, and run camp md for all replicas again")
    return entries


def _postfix(samples: Iterable[Sample]) -> str:
    alive = [sample for sample in samples if not sample.failed]
    if not alive:
        return "exploded"
    kelvin = np.mean([temperature_of(s.state.atoms, s.kinetic_energy) for s in alive])
    energy = np.mean([sample.potential_energy for sample in alive])
    return f"{kelvin:.0f} K, {energy:.3f} eV"
