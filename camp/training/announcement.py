"""What a training says of itself before its first step."""

from collections.abc import Iterator, Sequence

import torch
from ase.data import chemical_symbols

from camp.data.dataset import GraphDataset
from camp.potential.potential import Potential
from camp.settings import TrainingSettings
from camp.targets import FORCES


def announcement(
    potential: Potential,
    training: GraphDataset,
    validation: GraphDataset,
    settings: TrainingSettings,
    *,
    device: torch.device,
    devices: int = 1,
    seeds: Sequence[int] = (),
) -> str:
    """Device, model, data, baseline and plan of a training, in a few aligned lines.

    :param potential: with fresh parameters, fitted in scale and shift to the training set.
    :param devices: how many share every step.
    :param seeds: of all potentials that are trained together.
    """
    said = {
        "device": _device(device, devices),
        "model": _model(potential, seeds),
        "structures": f"{len(training):,} training, {len(validation):,} validation, of "
        + ", ".join(chemical_symbols[number] for number in potential.species),
        "targets": ", ".join(_targets(training)),
    }
    if potential.predicts_energy:
        said["baseline"] = _baseline(potential)
        said["scale"] = f"{potential.energy_scale.item():.4g} eV" + (
            ", the RMS of the force components in eV/Å" if FORCES.name in training.targets else ""
        )
    said["plan"] = ", ".join(_plan(settings, len(training), devices))
    width = max(map(len, said))
    return "\n".join(f"{name:{width}}  {text}" for name, text in said.items())


def _device(device: torch.device, devices: int) -> str:
    if device.type == "cuda":
        return f"{devices} × {torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    processes = f", {devices} processes" if devices > 1 else ""
    return f"{device.type}, {threads} thread{'s' * (threads > 1)}{processes}"


def _model(potential: Potential, seeds: Sequence[int]) -> str:
    together = f", seeds {', '.join(map(str, seeds))} together" if len(seeds) > 1 else ""
    count = potential.trained_parameters
    return (
        f"{potential.architecture}, {count:,} parameters, cutoff {potential.cutoff:g} Å{together}"
    )


def _targets(training: GraphDataset) -> Iterator[str]:
    """With their units, and in how many of the structures they are if not in all."""
    for name, target in training.targets.items():
        count = training.labelled(name)
        some = f" in {count:,} of {len(training):,}" if count < len(training) else ""
        yield f"{name} ({target.unit}){some}"


def _baseline(potential: Potential) -> str:
    """The energy of a lone atom: one for all species, or for each."""
    energies = potential.energy_shift.tolist()
    if len(set(energies)) == 1:
        return f"{energies[0]:.6g} eV for every atom"
    symbols = (chemical_symbols[number] for number in potential.species)
    return ", ".join(f"{s} {e:.6g} eV" for s, e in zip(symbols, energies, strict=True))


def _plan(settings: TrainingSettings, structures: int, devices: int) -> Iterator[str]:
    """What ends the training, whichever comes first."""
    per_epoch = settings.validate_every or -(-structures // (settings.batch_size * devices))
    steps = per_epoch * settings.epochs
    steps = min(steps, settings.max_steps or steps)
    yield f"at most {steps:,} steps"
    if settings.validate_every:
        yield f"validation every {per_epoch:,}"
    else:
        yield f"{per_epoch:,} in each of at most {settings.epochs:,} epochs"
    if settings.compiles and 0 < settings.compile_after < steps:
        yield f"plain up to step {settings.compile_after:,}, compiled meanwhile"
    if settings.max_time:
        yield f"at most {settings.max_time:g} h"
