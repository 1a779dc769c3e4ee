"""Verbs that make data: generate, fetch, convert, split."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from camp.cli.device import positive_count
from camp.cli.keys import add_keys, given_keys
from camp.errors import InputError


def run_generate(arguments: argparse.Namespace) -> None:
    from camp.data.generate import generate
    from camp.data.readers import write_structures

    frames = generate(
        arguments.kind, arguments.frames, arguments.seed, progress=sys.stderr.isatty()
    )
    write_structures(arguments.out, frames)
    print(f"{arguments.out}: {len(frames)} frames, {frames[0].info['source']}")


def add_generate(verbs) -> None:
    parser = verbs.add_parser(
        "generate",
        help="structures with GFN-xTB labels",
        description="Structures of one material with GFN-xTB labels. Molecules come from dynamics "
        "at 500 K, with GFN2-xTB; the others have GFN1-xTB.",
    )
    parser.add_argument(
        "kind",
        help="molecule:ethanol, molecule:malonaldehyde, molecule:NAME, water, lips, graphene; NAME "
        "is a closed-shell molecule of ase.build.molecule, such as CH3COCH3",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write (.xyz or .xyz.gz)")
    parser.add_argument("--frames", type=int, required=True, metavar="N")
    parser.add_argument("--seed", type=int, required=True, help="same seed, same frames")
    parser.set_defaults(run=run_generate)


def run_fetch(arguments: argparse.Namespace) -> None:
    from camp.data.sources import SourceUnavailable, fetch, find, registry
    from camp.files import write_json

    if arguments.list:
        for source in registry():
            print(
                f"{source.kind:10}  {source.name}  ({source.format}; {source.units}; "
                f"{source.verification})"
            )
        return
    if not arguments.names:
        raise InputError("fetch: give the names of files, or --list to see them")
    problems: list[str] = []
    missing: list[str] = []
    bar = sys.stderr.isatty()
    for name in arguments.names:
        try:
            path = fetch(find(name), arguments.out, mirror=arguments.mirror, progress=bar)
            print(path)
        except SourceUnavailable as error:
            if not arguments.allow_missing:
                problems.append(str(error))
                continue
            missing.append(name)
            print(f"camp: warning: {error}", file=sys.stderr)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))
    if arguments.record:
        reason = f"file not available: {', '.join(missing)}"
        write_json(arguments.record, {"reason": reason} if missing else {})


def add_fetch(verbs) -> None:
    parser = verbs.add_parser("fetch", help="get public files, from a mirror or the network")
    parser.add_argument("names", nargs="*", metavar="NAME", help="names as --list shows them")
    parser.add_argument("--list", action="store_true", help="show the files that can be fetched")
    parser.add_argument("--mirror", type=Path, help="folder that holds published files")
    parser.add_argument(
        "--out", type=Path, default=Path("cache/public"), help="folder to write (%(default)s)"
    )
    parser.add_argument(
        "--record", type=Path, metavar="JSON", help="file to write when this is done"
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="succeed without the files that cannot be had; --record keeps the reason",
    )
    parser.set_defaults(run=run_fetch)


def run_convert(arguments: argparse.Namespace) -> None:
    from camp.data.readers import convert
    from camp.data.units import KCAL_PER_MOL

    factor = arguments.kcal_per_mol
    count = convert(
        arguments.files,
        arguments.out,
        kcal_per_mol=KCAL_PER_MOL if factor is None else factor,
        every=arguments.every,
        first=arguments.first,
        part=arguments.part,
        without=arguments.without,
        below=dict(arguments.keep_below),
        above=dict(arguments.keep_above),
        only_of=dict(arguments.only_of),
        molecule=arguments.molecule,
        keys=given_keys(arguments),
        progress=sys.stderr.isatty(),
    )
    print(f"{arguments.out}: {count} frames")


def _part(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 0:167")
    return int(first), int(last)


def _limit(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if not name or math.isnan(limit):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER")
    return name, limit


def _name_and_species(text: str) -> tuple[str, str]:
    from ase.data import atomic_numbers

    name, _, species = text.rpartition("=")
    if not name or not atomic_numbers.get(species):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=ELEMENT, such as shielding=Si")
    return name, species


def add_convert(verbs) -> None:
    parser = verbs.add_parser("convert", help="any supported structure files to one extended XYZ")
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="in the order in which they are joined"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write (.xyz or .xyz.gz)")
    parser.add_argument(
        "--kcal-per-mol",
        type=float,
        metavar="EV",
        help="1 kcal/mol in eV for MD17 and rMD17 (CODATA; the authors used 0.0433635)",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="frames 0, N, 2N, …")
    parser.add_argument("--first", type=int, metavar="N", help="at most so many of each file")
    parser.add_argument(
        "--part", type=_part, metavar="A:B", help="only frames from number A to before B"
    )
    parser.add_argument(
        "--without",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="leave out frames that are in these files too",
    )
    for kind, word in (("below", "smaller"), ("above", "larger")):
        parser.add_argument(
            f"--keep-{kind}",
            type=_limit,
            nargs="+",
            default=[],
            metavar="NAME=NUMBER",
            help=f"only frames whose number of this name is {word}",
        )
    parser.add_argument(
        "--only-of",
        type=_name_and_species,
        nargs="+",
        default=[],
        metavar="NAME=ELEMENT",
        help="these numbers of atoms are given for this species only, whatever others have",
    )
    parser.add_argument("--molecule", help="molecule to take out of the rMD17 archive (.zip)")
    add_keys(parser)
    parser.set_defaults(run=run_convert)


def run_split(arguments: argparse.Namespace) -> None:
    from camp.data.mapped import StoredStructures
    from camp.data.readers import iterate_structures
    from camp.data.splits import DATA_HASH, PARTS, frames_hash, random_split, write_split

    structures = StoredStructures(
        iterate_structures(arguments.data, targets=(), progress=sys.stderr.isatty())
    )
    named = {part: getattr(arguments, f"{part}_source") for part in PARTS}
    sources = {part: name for part, name in named.items() if name is not None}
    train, validation, test = (_frames(getattr(arguments, part), len(structures)) for part in PARTS)
    split = random_split(
        structures,
        train,
        validation,
        test,
        arguments.seed,
        sources=sources,
        exclude=arguments.exclude,
    )
    if split.duplicates:
        first, second = split.duplicates[0]
        print(
            f"camp: warning: {arguments.data}: {len(split.duplicates)} equal frames in different "
            f"parts of the split, the first are {first} and {second}",
            file=sys.stderr,
        )
    more = {
        "frames": len(structures),
        DATA_HASH: frames_hash(structures),
        "sources": sources,
    }
    write_split(arguments.out, split, dataset=arguments.data.name, **more)
    sizes = (f"{len(getattr(split, part)):,} {part}" for part in PARTS)
    print(f"{arguments.out}: {', '.join(sizes)} frames")


def add_split(verbs) -> None:
    parser = verbs.add_parser("split", help="draw training, validation and test frames")
    parser.add_argument("data", type=Path, help="structures, any supported format")
    parser.add_argument("out", type=Path, help="split to write (.json)")
    parser.add_argument(
        "--train", type=_size, required=True, metavar="N", help="how many, or a share such as 0.8"
    )
    parser.add_argument("--validation", type=_size, required=True, metavar="N", help="likewise")
    parser.add_argument(
        "--test",
        type=_size_or_rest,
        default="rest",
        metavar="N|rest",
        help="likewise, or all that are left (default)",
    )
    parser.add_argument("--seed", type=int, required=True)
    for part in ("train", "validation", "test"):
        parser.add_argument(
            f"--{part}-source", metavar="FILE", help="draw it from this file given to 'convert'"
        )
    parser.add_argument(
        "--exclude",
        choices=("rigid-bilayers",),
        action="append",
        default=[],
        help="keep such frames out of training and validation",
    )
    parser.set_defaults(run=run_split)


def _size(text: str) -> int | float:
    """A number of frames, or a share of them between 0 and 1."""
    if "." not in text:
        return int(text)
    if not 0 < (share := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a count nor a share such as 0.8")
    return share


def _size_or_rest(text: str) -> int | float | str:
    return text if text == "rest" else _size(text)


def _frames(size: Any, frames: int) -> Any:
    """How many frames a share of them is; at least one, but shares of 1 together fit."""
    return max(1, int(size * frames + 1e-9)) if isinstance(size, float) else size


def run_select(arguments: argparse.Namespace) -> None:
    from camp.data.labels import without_labels
    from camp.data.readers import read_structures, write_structures
    from camp.data.splits import draw, read_split

    if (arguments.by == "uncertainty") != bool(arguments.models):
        raise InputError("--by uncertainty and --models belong together")
    structures = read_structures(arguments.data, targets=())
    if arguments.split:
        split = read_split(arguments.split, structures)
        structures = [structures[index] for index in getattr(split, arguments.part)]
    try:
        if arguments.models:
            from camp.evaluation.predicting import most_uncertain
            from camp.potential.saving import load

            ensemble = load(arguments.models)
            chosen = most_uncertain(ensemble, structures, arguments.frames)
        else:
            drawn = draw(structures, arguments.frames, arguments.seed)
            chosen = [without_labels(atoms) for atoms in drawn]
        for atoms in chosen:
            for name, vector, count in zip("abc", atoms.cell, arguments.repeat, strict=True):
                if count > 1 and not vector.any():
                    raise InputError(f"a frame has no cell vector {name}, which --repeat repeats")
    except InputError as error:
        raise InputError(f"{arguments.data}: {error}") from None
    write_structures(arguments.out, [atoms.repeat(arguments.repeat) for atoms in chosen])


def add_select(verbs) -> None:
    parser = verbs.add_parser(
        "select", help="some frames, without labels: to start from, or to label next"
    )
    parser.add_argument("data", type=Path, help="structures, any supported format")
    parser.add_argument("out", type=Path, help="file to write (.xyz or .xyz.gz)")
    parser.add_argument("--frames", type=positive_count, required=True, metavar="N")
    parser.add_argument(
        "--by",
        choices=("chance", "uncertainty"),
        default="chance",
        help="uncertainty: those with the force that the models disagree most about",
    )
    parser.add_argument(
        "--models", type=Path, nargs="+", metavar="MODEL", help="two or more, of --by uncertainty"
    )
    parser.add_argument("--seed", type=int, default=0, help="of chance")
    parser.add_argument("--split", type=Path, help="draw from one part of this split only")
    parser.add_argument("--part", choices=("train", "validation", "test"), default="test")
    parser.add_argument(
        "--repeat", type=positive_count, nargs=3, default=(1, 1, 1), metavar="N", help="supercell"
    )
    parser.set_defaults(run=run_select)
