"""Verbs of molecular dynamics and of scans of the energy: md, analyse, scan."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camp.cli.device import (
    add_accelerate,
    add_device,
    add_models,
    check_device,
    positive_number,
)
from camp.errors import InputError

if TYPE_CHECKING:
    from camp.md.simulate import MakeEngine
    from camp.potential.prediction import Predictor
    from camp.settings import MdSettings


def run_md(arguments: argparse.Namespace) -> None:
    import torch

    from camp.data.readers import read_structures
    from camp.md.simulate import simulate
    from camp.potential.saving import load
    from camp.process import reuse_freed_memory
    from camp.settings import load_simulation

    settings = load_simulation(arguments.config)
    replicas = arguments.replicas or range(1, settings.replicas + 1)
    if max(replicas) > settings.replicas:
        raise InputError(
            f"--replicas asks for replica {max(replicas)}; {arguments.config} has "
            f"{settings.replicas}"
        )
    check_device(arguments.device)
    reuse_freed_memory()
    potential = load(arguments.models)
    structures = read_structures(arguments.structure, targets=())
    summary = simulate(
        potential,
        structures,
        settings,
        _engine_maker(potential, settings, arguments),
        out=arguments.out,
        replicas=list(replicas),
        dtype=arguments.dtype,
        source=f"{arguments.structure}, frame",
        set_aside=arguments.set_aside,
        progress=sys.stderr.isatty(),
        machine={
            "engine": settings.engine,
            "device": arguments.device,
            "threads": torch.get_num_threads(),
        },
    )
    for replica in summary["replicas"]:
        print(f"replica {replica['replica']}: {_ended(replica)}")
    exploded = [replica for replica in summary["replicas"] if replica["end"] == "exploded"]
    if exploded:
        print(
            f"camp: warning: {len(exploded)} of {len(summary['replicas'])} replicas exploded; that "
            "is a result, not an error: camp analyse counts them as unstable",
            file=sys.stderr,
        )


def _ended(replica: Mapping[str, Any]) -> str:
    """When and how a replica ended, in words; times count from the end of the equilibration."""
    time = replica["time_fs"] / 1000
    end = f"{replica['end']} ({replica['reason']})" if replica["reason"] else "completed"
    if time < 0:
        return f"{end}, {-time:g} ps before the end of the equilibration"
    return f"{time:g} ps, {end}"


def _engine_maker(
    potential: "Predictor", settings: "MdSettings", arguments: argparse.Namespace
) -> "MakeEngine":
    from camp.md.states import Dynamics

    dynamics = Dynamics(settings.temperature, settings.timestep, settings.thermostat_time)
    if settings.engine == "torchsim":
        # In this order: the model says what to install where TorchSim is missing.
        from camp.potential.torchsim import TorchSimModel  # isort: split
        from camp.md.torchsim_engine import TorchSimEngine

        model = TorchSimModel(
            potential,
            device=arguments.device,
            dtype=arguments.dtype,
            accelerate=arguments.accelerate,
            compiled=settings.compile,
        )
        return lambda states, ensemble: TorchSimEngine(model, states, dynamics, ensemble=ensemble)

    from camp.md.ase_engine import AseEngine
    from camp.potential.calculator import Calculator

    def calculator() -> Calculator:
        return Calculator(
            potential,
            device=arguments.device,
            dtype=arguments.dtype,
            accelerate=arguments.accelerate,
            compiled=settings.compile,
        )

    return lambda states, ensemble: AseEngine(calculator, states, dynamics, ensemble=ensemble)


def _replicas(text: str) -> Sequence[int]:
    first, _, last = text.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()) or int(first) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a replica such as 3, or a range 1-5")
    numbers = range(int(first), int(last or first) + 1)
    if not numbers:
        raise argparse.ArgumentTypeError(f"{text!r} is an empty range")
    return numbers


def add_md(verbs) -> None:
    parser = verbs.add_parser("md", help="molecular dynamics; continues what was interrupted")
    add_models(parser)
    parser.add_argument("structure", type=Path, help="starting structures, one or several")
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        help="settings (YAML): temperature, timestep, length, …; all are in config/README.md",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for trajectories")
    parser.add_argument(
        "--replicas", type=_replicas, metavar="N|N-M", help="only these (default: all)"
    )
    parser.add_argument(
        "--set-aside", action="store_true", help="move a run with other settings out of the way"
    )
    add_device(parser)
    add_accelerate(parser, default=True)
    parser.set_defaults(run=run_md)


def _add_labels(parser: argparse.ArgumentParser) -> None:
    labels = parser.add_argument_group("labels kept with the results")
    labels.add_argument("--simulation")
    labels.add_argument("--title", default="")
    labels.add_argument("--task")
    labels.add_argument("--scale")
    labels.add_argument("--architecture", metavar="NAME", help="of the model")
    labels.add_argument("--weights", choices=("own", "published"))
    labels.add_argument("--data-label", metavar="TEXT")
    labels.add_argument("--generated", action="store_true", help="data made here, not a paper's")
    labels.add_argument("--seed", type=int)
    labels.add_argument("--train-size", type=int, metavar="N")
    labels.add_argument("--note", default="")


def _labels(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ["simulation", "title", "task", "scale", "architecture", "weights", "seed"]
    names += ["train_size", "generated", "note"]
    return {name: getattr(arguments, name) for name in names} | {"data": arguments.data_label}


def run_analyse(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.files import write_json
    from camp.lammps.dump import read_dump
    from camp.md.analysis import analyse, analyse_reference, analyse_trajectory, describe
    from camp.settings import load_analysis

    given = (arguments.folders, arguments.reference, arguments.dump)
    if sum(map(bool, given)) != 1:
        raise InputError(
            "give either folders of camp md, or --reference with structures, or --dump of LAMMPS"
        )
    if bool(arguments.dump) != bool(arguments.timestep):
        raise InputError("--dump and --timestep belong together")
    settings = load_analysis(arguments.config)
    if arguments.dump:
        trajectory = read_dump(arguments.dump, arguments.timestep)
        result = analyse_trajectory(trajectory, settings, _labels(arguments))
    elif arguments.reference:
        result = analyse_reference(
            read_structures(arguments.reference, targets=()),
            settings,
            _labels(arguments),
            arguments.msd,
        )
    else:
        bonds = read_structures(arguments.bonds, targets=()) if arguments.bonds else None
        result = analyse(arguments.folders, settings, _labels(arguments), bonds)
    write_json(arguments.out, result)
    print(describe(result))


def add_analyse(verbs) -> None:
    parser = verbs.add_parser("analyse", help="stability, structure and diffusion of simulations")
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="of camp md")
    parser.add_argument("--config", type=Path, required=True, help="what to compute (YAML)")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON")
    parser.add_argument(
        "--bonds", type=Path, metavar="DATA", help="structures with the bonds' usual lengths"
    )
    parser.add_argument(
        "--reference", type=Path, metavar="DATA", help="analyse these structures instead"
    )
    parser.add_argument(
        "--dump", type=Path, metavar="FILE", help="analyse this trajectory of LAMMPS instead"
    )
    parser.add_argument("--timestep", type=positive_number, metavar="FS", help="of the dump, fs")
    parser.add_argument(
        "--msd", type=Path, metavar="CSV", help="mean squared displacements of the reference"
    )
    _add_labels(parser)
    parser.set_defaults(run=run_analyse)


def run_scan(arguments: argparse.Namespace) -> None:
    from camp.files import write_json
    from camp.md.scans import dimer_scan, interlayer_scan
    from camp.potential.saving import load

    potential = load(arguments.model)
    labels = _labels(arguments) | {"architecture": potential.architecture}
    if arguments.kind == "dimer":
        from ase.data import chemical_symbols

        outermost = (potential.species[0], potential.species[-1])
        pair = arguments.pair or tuple(chemical_symbols[number] for number in outermost)
        result = dimer_scan(potential, *pair, **labels)
    else:
        from camp.data.bilayers import find_bilayers
        from camp.data.readers import read_structures

        if arguments.references is None:
            raise InputError("an interlayer scan needs --references: structures with bilayers")
        references = list(find_bilayers(read_structures(arguments.references)).values())
        result = interlayer_scan(potential, references, **labels)
    write_json(arguments.out, result)


def _pair(text: str) -> tuple[str, str]:
    first, _, second = text.partition("-")
    if not (first and second):
        raise argparse.ArgumentTypeError(f"{text!r} is not a pair such as Li-S")
    return first, second


def add_scan(verbs) -> None:
    parser = verbs.add_parser("scan", help="energies along a path: bilayer graphene, or a pair")
    parser.add_argument("kind", choices=("interlayer", "dimer"))
    parser.add_argument("model", type=Path, help="model of ours, or a published checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON")
    parser.add_argument(
        "--references", type=Path, metavar="DATA", help="structures, rigid bilayers among them"
    )
    parser.add_argument(
        "--pair", type=_pair, metavar="A-B", help="elements (default: the lightest and heaviest)"
    )
    _add_labels(parser)
    parser.set_defaults(run=run_scan)
