"""The command line: one verb for each kind of rule of the workflow.

Every verb imports what it needs when it runs, so that ``camp --help`` answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from camp import __version__
from camp.errors import InputError

Verb = Callable[[argparse.Namespace], None]


def run_import(arguments: argparse.Namespace) -> None:
    from camp.potential.published import import_published
    from camp.potential.saving import save

    save(import_published(arguments.published), arguments.out)


def add_import(verbs) -> None:
    parser = verbs.add_parser("import", help="convert a published checkpoint to our format")
    parser.add_argument("published", type=Path, help="checkpoint of the authors (.ckpt)")
    parser.add_argument("out", type=Path, help="model file to write (.safetensors)")
    parser.set_defaults(run=run_import)


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
    from camp.data.sources import fetch, find, registry

    if arguments.list:
        for source in registry():
            print(f"{source.kind:10}  {source.name}  ({source.format}; {source.units})")
        return
    if not arguments.names:
        raise InputError("fetch: give the names of files, or --list to see them")
    problems = []
    for name in arguments.names:
        try:
            path = fetch(find(name), arguments.out, mirror=arguments.mirror, progress=True)
            print(path)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))


def add_fetch(verbs) -> None:
    parser = verbs.add_parser("fetch", help="get public files, from a mirror or the network")
    parser.add_argument("names", nargs="*", metavar="NAME", help="names as --list shows them")
    parser.add_argument("--list", action="store_true", help="show the files that can be fetched")
    parser.add_argument("--mirror", type=Path, help="folder that holds published files")
    parser.add_argument(
        "--out", type=Path, default=Path("cache/public"), help="folder to write (%(default)s)"
    )
    parser.set_defaults(run=run_fetch)


def run_convert(arguments: argparse.Namespace) -> None:
    from camp.data.readers import convert

    count = convert(
        arguments.files,
        arguments.out,
        kcal_per_mol=arguments.kcal_per_mol,
        every=arguments.every,
        first=arguments.first,
        molecule=arguments.molecule,
        progress=True,
    )
    print(f"{arguments.out}: {count} frames")


def add_convert(verbs) -> None:
    from camp.data.units import AUTHORS_KCAL_PER_MOL, KCAL_PER_MOL

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

    structures = read_structures(arguments.data, progress=True)
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
    add_import,
    add_fetch,
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
    except KeyboardInterrupt:
        print("camp: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
