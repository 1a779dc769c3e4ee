"""The command line: one verb for each kind of rule of the workflow.

Every verb imports what it needs when it runs, so that ``camp --help`` answers at once.
"""

import argparse
import errno
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from camp import __version__
from camp.errors import InputError

Verb = Callable[[argparse.Namespace], None]

# What the system refuses for reasons that the user can mend.
_USERS_ERRORS = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EPERM}


def run_import(arguments: argparse.Namespace) -> None:
    from camp.potential.published import import_published
    from camp.potential.saving import save

    save(import_published(arguments.published), arguments.out)


def add_import(verbs) -> None:
    parser = verbs.add_parser("import", help="convert a published checkpoint to our format")
    parser.add_argument("published", type=Path, help="checkpoint of the authors (.ckpt)")
    parser.add_argument("out", type=Path, help="model file to write (.safetensors)")
    parser.set_defaults(run=run_import)


def run_train(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.data.splits import read_split
    from camp.process import quiet_lightning, reuse_freed_memory
    from camp.settings import load_training
    from camp.training.train import train

    settings = load_training(arguments.config)
    reuse_freed_memory()
    quiet_lightning()
    if "data" in settings:
        structures = read_structures(settings["data"])
        split = read_split(settings["split"], len(structures))
        training = [structures[index] for index in split.train]
        validation = [structures[index] for index in split.validation]
    else:
        training, validation = (read_structures(settings[part]) for part in ("train", "validation"))
    summary = train(
        settings,
        training,
        validation,
        seed=arguments.seed,
        out=arguments.out,
        resume=arguments.resume,
        cache=arguments.cache,
        devices=arguments.devices,
    )
    print(
        f"{summary['steps']} steps in {summary['seconds']:.0f} s, {summary['stop_reason']}: "
        f"validation forces MAE {1000 * summary['best_validation_forces_mae']:.1f} meV/Å"
    )


def add_train(verbs) -> None:
    parser = verbs.add_parser("train", help="train one potential")
    parser.add_argument("config", type=Path, help="settings of the training (YAML)")
    parser.add_argument("--seed", type=int, required=True, help="of weights and order of batches")
    parser.add_argument("--out", type=Path, required=True, help="folder for model and logs")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    parser.add_argument("--cache", type=Path, help="folder in which processed graphs are kept")
    parser.add_argument(
        "--devices", type=int, default=1, metavar="N", help="GPUs that share every step"
    )
    parser.set_defaults(run=run_train)


def run_evaluate(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.data.splits import read_split
    from camp.files import read_json, write_json
    from camp.potential.saving import load
    from camp.process import reuse_freed_memory
    from camp.training.evaluation import compare, describe, evaluation_record

    labels = {
        "task": arguments.task,
        "seed": arguments.seed,
        "scale": arguments.scale,
        "data": arguments.data_label,
        "weights": arguments.weights,
        "note": arguments.note,
    }
    unavailable = dict(arguments.unavailable)
    comparison, train_size = None, None
    if arguments.missing:
        reason = read_json(arguments.missing)["reason"]
        unavailable = {"energy": reason, "forces": reason}
    else:
        reuse_freed_memory()
        potential = load(arguments.model)
        potential = potential.double() if arguments.dtype == "float64" else potential.float()
        potential = potential.to(arguments.device)
        units = {} if arguments.kcal_per_mol is None else {"kcal_per_mol": arguments.kcal_per_mol}
        structures = read_structures(arguments.data, **units)
        if arguments.split:
            split = read_split(arguments.split, len(structures))
            structures = [structures[index] for index in getattr(split, arguments.part)]
            train_size = len(split.train) or None
        try:
            comparison = compare(potential, structures, progress=sys.stderr.isatty())
        except InputError as error:
            raise InputError(f"{arguments.data}: {error}") from None
    record = evaluation_record(comparison, unavailable=unavailable, train_size=train_size, **labels)
    if arguments.npz and comparison is not None:
        comparison.save(arguments.npz)
    if arguments.json:
        write_json(arguments.json, record)
    print(describe(record))


def _quantity_and_reason(text: str) -> tuple[str, str]:
    quantity, _, reason = text.partition("=")
    if quantity not in ("energy", "forces") or not reason:
        raise argparse.ArgumentTypeError(f"{text!r} is not energy=REASON or forces=REASON")
    return quantity, reason


def add_evaluate(verbs) -> None:
    parser = verbs.add_parser("evaluate", help="errors of a model on labelled structures")
    parser.add_argument("model", type=Path, help="model of ours, or a published checkpoint")
    parser.add_argument("data", type=Path, help="structures, any supported format")
    parser.add_argument("--json", type=Path, metavar="OUT", help="metrics, eV and eV/Å")
    parser.add_argument("--npz", type=Path, metavar="OUT", help="all predictions and references")
    parser.add_argument("--split", type=Path, help="evaluate one part of this split only")
    parser.add_argument("--part", choices=("train", "validation", "test"), default="test")
    parser.add_argument("--kcal-per-mol", type=float, metavar="eV", help="of MD17 files, in eV")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, …")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument(
        "--unavailable",
        type=_quantity_and_reason,
        action="append",
        default=[],
        metavar="QUANTITY=REASON",
        help="an error that means nothing for these data (energy or forces), and why",
    )
    parser.add_argument(
        "--missing", type=Path, metavar="JSON", help="record that the model is not to be had, why"
    )
    labels = parser.add_argument_group("labels kept with the metrics")
    labels.add_argument("--task")
    labels.add_argument("--seed", type=int)
    labels.add_argument("--scale")
    labels.add_argument("--data-label", metavar="TEXT")
    labels.add_argument("--weights", choices=("own", "published"))
    labels.add_argument("--note", default="")
    parser.set_defaults(run=run_evaluate)


def _add_comparison(parser, *, required: bool) -> None:
    """Inputs of what compares our evaluations with the paper."""
    parser.add_argument(
        "--evaluations",
        type=Path,
        nargs="*",
        default=[],
        metavar="JSON",
        help="evaluations (and 'unavailable' files), or folders of them",
    )
    tasks_help = "tasks and the numbers they answer (YAML)"
    parser.add_argument("--tasks", type=Path, required=required, help=tasks_help)
    parser.add_argument("--paper", type=Path, required=required, help="the paper's numbers (CSV)")
    parser.add_argument("--scale", required=True, help="name of the scale, shown everywhere")


def run_table(arguments: argparse.Namespace) -> None:
    from camp.files import write_text
    from camp.report.paper import read_answering_tasks, read_paper_numbers
    from camp.report.results import collect
    from camp.report.tables import make_table

    table = make_table(
        arguments.name,
        read_paper_numbers(arguments.paper),
        read_answering_tasks(arguments.tasks),
        collect(arguments.evaluations, arguments.scale),
    )
    write_text(arguments.out_csv, table.to_csv())
    if arguments.out_html:
        write_text(arguments.out_html, table.to_html())
    if arguments.out_markdown:
        write_text(arguments.out_markdown, table.to_markdown())


def add_table(verbs) -> None:
    parser = verbs.add_parser("table", help="one table of the paper, our numbers beside")
    parser.add_argument("name", help="table-1 … table-5, table-s1 … table-s3, ablation")
    _add_comparison(parser, required=True)
    parser.add_argument("--out-csv", type=Path, required=True, help="raw numbers")
    parser.add_argument("--out-html", type=Path, help="laid out as in the paper")
    parser.add_argument("--out-markdown", type=Path, help="the same as Markdown")
    parser.set_defaults(run=run_table)


def run_scoreboard(arguments: argparse.Namespace) -> None:
    from camp.files import write_text
    from camp.report.paper import read_answering_tasks, read_paper_numbers
    from camp.report.results import collect
    from camp.report.scoreboard import make_scoreboard

    scoreboard = make_scoreboard(
        read_paper_numbers(arguments.paper),
        read_answering_tasks(arguments.tasks),
        collect(arguments.evaluations, arguments.scale),
    )
    write_text(arguments.out_csv, scoreboard.to_csv())
    if arguments.out_html:
        write_text(arguments.out_html, scoreboard.to_html())
    print(scoreboard.summary())


def add_scoreboard(verbs) -> None:
    parser = verbs.add_parser("scoreboard", help="every CAMP number of the paper against ours")
    _add_comparison(parser, required=True)
    parser.add_argument("--out-csv", type=Path, required=True)
    parser.add_argument("--out-html", type=Path)
    parser.set_defaults(run=run_scoreboard)


def run_figure(arguments: argparse.Namespace) -> None:
    from camp.report.figures import draw_figure
    from camp.report.style import save_figure

    figure = draw_figure(
        arguments.name,
        scale=arguments.scale,
        evaluations=arguments.evaluations,
        metrics=arguments.metrics,
        data=arguments.data,
        tasks=arguments.tasks,
        paper=arguments.paper,
    )
    save_figure(figure, arguments.out)


def add_figure(verbs) -> None:
    parser = verbs.add_parser("figure", help="one figure, as PNG and PDF")
    parser.add_argument("name", help="figure-2, training-TASK, parity-TASK or errors-TASK")
    _add_comparison(parser, required=False)
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], help="metrics.csv of each seed (training)"
    )
    parser.add_argument("--data", help="label of the data (training)")
    parser.add_argument("--out", type=Path, required=True, help="PNG file; the PDF goes beside it")
    parser.set_defaults(run=run_figure)


def run_fetch(arguments: argparse.Namespace) -> None:
    from camp.data.sources import SourceUnavailable, fetch, find, registry
    from camp.files import write_json

    if arguments.list:
        for source in registry():
            print(f"{source.kind:10}  {source.name}  ({source.format}; {source.units})")
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


def run_generate(arguments: argparse.Namespace) -> None:
    from camp.data.generate import generate
    from camp.data.readers import write_structures

    frames = generate(
        arguments.kind, arguments.frames, arguments.seed, progress=sys.stderr.isatty()
    )
    write_structures(arguments.out, frames)
    print(f"{arguments.out}: {len(frames)} frames, {frames[0].info['source']}")


def add_generate(verbs) -> None:
    parser = verbs.add_parser("generate", help="structures with GFN-xTB energies and forces")
    parser.add_argument(
        "kind",
        help="molecule:ethanol, molecule:malonaldehyde, molecule:NAME, water, lips, graphene",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write (.xyz or .xyz.gz)")
    parser.add_argument("--frames", type=int, required=True, metavar="N")
    parser.add_argument("--seed", type=int, required=True, help="same seed, same frames")
    parser.set_defaults(run=run_generate)


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
        molecule=arguments.molecule,
        progress=sys.stderr.isatty(),
    )
    print(f"{arguments.out}: {count} frames")


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
    parser.add_argument("--molecule", help="molecule to take out of the rMD17 archive (.zip)")
    parser.set_defaults(run=run_convert)


def run_split(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.data.splits import random_split, write_split

    structures = read_structures(arguments.data, progress=sys.stderr.isatty())
    named = {part: getattr(arguments, f"{part}_source") for part in ("train", "validation", "test")}
    sources = {part: name for part, name in named.items() if name is not None}
    split = random_split(
        structures,
        arguments.train,
        arguments.validation,
        arguments.test,
        arguments.seed,
        sources=sources,
    )
    if split.duplicates:
        first, second = split.duplicates[0]
        print(
            f"camp: warning: {arguments.data}: {len(split.duplicates)} equal frames in different "
            f"parts of the split, the first are {first} and {second}",
            file=sys.stderr,
        )
    more = {"frames": len(structures), "sources": sources}
    write_split(arguments.out, split, dataset=arguments.data.name, **more)


def add_split(verbs) -> None:
    parser = verbs.add_parser("split", help="draw training, validation and test frames")
    parser.add_argument("data", type=Path, help="structures, any supported format")
    parser.add_argument("out", type=Path, help="split to write (.json)")
    parser.add_argument("--train", type=int, required=True, metavar="N")
    parser.add_argument("--validation", type=int, required=True, metavar="N")
    parser.add_argument("--test", type=_count_or_rest, required=True, metavar="N|rest")
    parser.add_argument("--seed", type=int, required=True)
    for part in ("train", "validation", "test"):
        parser.add_argument(
            f"--{part}-source", metavar="FILE", help="draw it from this file given to 'convert'"
        )
    parser.set_defaults(run=run_split)


def _count_or_rest(text: str) -> int | str:
    return text if text == "rest" else int(text)


VERBS: list[Callable[..., None]] = [
    add_train,
    add_evaluate,
    add_import,
    add_fetch,
    add_generate,
    add_convert,
    add_split,
    add_table,
    add_scoreboard,
    add_figure,
]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="camp",
        description="Cartesian atomic moment potentials: train, evaluate, reproduce the paper.",
        epilog="'camp VERB --help' explains a verb.",
    )
    parser.add_argument("--version", action="version", version=f"camp {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for add in VERBS:
        add(verbs)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0, or 2 with one line on stderr for bad input."""
    parsed = make_parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except InputError as error:
        for problem in str(error).splitlines():
            print(f"camp: error: {problem}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in _USERS_ERRORS:
            raise
        print(f"camp: error: {error.filename or ''}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("camp: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
