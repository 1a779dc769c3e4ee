"""Speeds that were measured on one machine: the records of 'camp benchmark', and their table.

They stand beside the paper's, which are of another machine, and are never mixed with them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from camp.errors import InputError
from camp.files import read_json
from camp.report.pages import markdown_row, page, paragraph, rows_to_csv
from camp.report.paper import significant
from camp.report.provenance import provenance

# What kinds of contestants there are.
OURS, LITERAL = "accelerated", "literal"
KINDS = {
    OURS: "accelerated",
    "plain": "plain torch, packed tensors, no tables",
    LITERAL: "the equations of the paper on full 3^v tensors: stands in for the original code",
    "peer": "optional, from the package index",
}
TITLE = "Speed on this machine"
CSV_COLUMNS = (
    "simulation",
    "structure",
    "atoms",
    "edges",
    "contestant",
    "kind",
    "architecture",
    "seconds_per_energy_forces",
    "md_steps_per_second",
    "times_literal",
    "peak_memory_bytes",
    "machine",
    "engine",
    "timestep_fs",
    "mode",
    "configuration",
    "weights",
    "data",
    "scale",
    "note",
)
_HEADINGS = (
    "Contestant",
    "Energy and forces (ms)",
    "MD (steps/s)",
    "MD rate / evaluation rate",
    "Times faster than literal",
    "Peak memory (MiB)",
    "Weights, mode and configuration",
)
_CAPTION = (
    "Measured one after another on one machine; medians. Energy and forces: with a neighbour list "
    "that exists. MD: velocity Verlet (NVE), 1 fs, with neighbour lists, from a structure brought "
    "to 300 K. Times faster: energy and forces. Peak memory: on a GPU that of tensors, else of the "
    "whole process with its libraries. "
    "Speeds on other machines, such as the paper's GPU, must not be compared with these."
)


@dataclass(frozen=True)
class Record:
    """One contestant on one structure; ``unavailable`` says why it has no numbers.

    ``seconds`` are those of one evaluation of energy and forces; ``steps`` (MD steps per second)
    is None for a simulation that exploded at once.
    """

    contestant: str
    kind: str  # one of KINDS
    unavailable: str
    structure: str = ""
    atoms: int = 0
    edges: int = 0
    cutoff: float = 0.0
    seconds: float = 0.0
    steps: float | None = None
    memory: int = 0
    device: str = ""
    machine: str = ""  # the device with all that its speed depends on
    engine: str = ""
    timestep: float = 0.0
    mode: str = ""
    configuration: str = ""
    weights: str = ""

    @property
    def steps_text(self) -> str:
        return "exploded" if self.steps is None else significant(self.steps, None)

    @property
    def why_not(self) -> str:
        return f"not measured: {self.unavailable}"


@dataclass(frozen=True)
class Speed:
    """All contestants on the structure of one simulation, measured in one run."""

    simulation: str
    scale: str
    task: str
    architecture: str
    weights: str  # of our contestants
    data: str
    generated: bool
    note: str
    ours: Record
    records: tuple[Record, ...]  # of all contestants, ours among them

    def times_literal(self, record: Record) -> float | None:
        """How many times faster than the literal equations energy and forces are."""
        literal = [one for one in self.records if one.kind == LITERAL and not one.unavailable]
        return literal[0].seconds / record.seconds if literal else None

    @property
    def title(self) -> str:
        """Structure, model, data, weights and machine in one line."""
        ours = self.ours
        return (
            f"{self.simulation}: {ours.structure}, {ours.atoms} atoms, {ours.edges} edges within "
            f"{ours.cutoff:g} Å; {provenance(self.architecture, self.data, self.weights)}; "
            f"{ours.machine}"
        )


@dataclass(frozen=True)
class Speeds:
    """What was measured at one scale, by simulation and architecture."""

    measured: Mapping[tuple[str, str], Speed] = field(default_factory=dict)

    def of(self, simulation: str, architecture: str) -> Speed | None:
        return self.measured.get((simulation, architecture))

    def of_task(self, task: str, architecture: str) -> list[Speed]:
        """Those measured with the models of a task."""
        wanted = (task, architecture)
        return [one for one in self.measured.values() if (one.task, one.architecture) == wanted]


def collect_speeds(paths: Iterable[str | Path], scale: str) -> Speeds:
    """Read the records of one scale.

    :param paths: files with a list of records each, or folders that are searched for them.
    :raises InputError: an unreadable or foreign file, another scale, a simulation given twice.
    """
    speeds: dict[tuple[str, str], Speed] = {}
    for path in map(Path, paths):
        for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
            speed = _parsed(file)
            if speed.scale != scale:
                raise InputError(
                    f"{file}: of scale {speed.scale}, not {scale}; give files of one scale"
                )
            key = (speed.simulation, speed.architecture)
            if key in speeds:
                raise InputError(f"{file}: {speed.simulation} is given twice; give it once")
            speeds[key] = speed
    return Speeds(speeds)


def _parsed(file: Path) -> Speed:
    content = read_json(file)
    try:
        records = tuple(_record(one) for one in content)
        names = ("simulation", "scale", "task", "architecture", "weights", "data", "generated")
        labels = {name: content[0][name] for name in names}
        ours = [record for record in records if record.kind == OURS and not record.unavailable]
        if not ours:
            raise ValueError("our model is not among them")
        note = content[0].get("note", "")
        speed = Speed(**labels, note=note, ours=ours[0], records=records)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"{file}: not measured speeds ({error}); measure again") from None
    return speed


def _record(content: Mapping[str, Any]) -> Record:
    if content["kind"] not in KINDS:
        raise ValueError(f"no kind {content['kind']!r}")
    if "unavailable" in content:
        return Record(content["contestant"], content["kind"], content["unavailable"])
    steps = content["md_steps_per_second"]
    return Record(
        contestant=content["contestant"],
        kind=content["kind"],
        unavailable="",
        structure=content["structure"],
        atoms=content["atoms"],
        edges=content["edges"],
        cutoff=float(content["cutoff_A"]),
        seconds=float(content["seconds_per_energy_forces"]),
        steps=None if steps is None else float(steps),
        memory=content["peak_memory_bytes"],
        device=content["device"],
        machine=_machine(content),
        engine=content["engine"],
        timestep=float(content["timestep_fs"]),
        mode=content.get("mode", ""),
        configuration=content.get("configuration", ""),
        weights=content["weights"],
    )


def _machine(content: Mapping[str, Any]) -> str:
    """'cpu: AMD EPYC, 2 threads, float32, torch 2.13.0'."""
    device, threads = content["device"], content["threads"]
    parts = [device]
    if not device.startswith("cuda"):
        parts.append(f"{threads} thread{'' if threads == 1 else 's'}")
    return ", ".join([*parts, content["dtype"], f"torch {content['versions']['torch']}"])


@dataclass(frozen=True)
class SpeedTable:
    """Measured speeds, ready to be written as CSV, HTML or Markdown."""

    speeds: tuple[Speed, ...]
    heading: str = TITLE
    caption: str = ""

    def to_csv(self) -> str:
        """One row for each structure and contestant, see CSV_COLUMNS."""
        rows = [_csv_row(speed, record) for speed in self.speeds for record in speed.records]
        return rows_to_csv(CSV_COLUMNS, rows)

    def to_html(self) -> str:
        return page(self.heading, paragraph(self.caption) + self.body())

    def body(self) -> str:
        """The tables with their explanation, without a page around them."""
        parts = [paragraph(_CAPTION)]
        for speed in self.speeds:
            parts += [paragraph(f"{speed.title}."), "<table><thead><tr>"]
            parts += [f"<th>{escape(heading)}</th>" for heading in _HEADINGS]
            parts.append("</tr></thead><tbody>")
            parts += [_html_row(speed, record) for record in speed.records]
            parts.append("</tbody></table>")
            if speed.note:
                parts.append(paragraph(f"{speed.simulation}: {speed.note}.", "notes"))
        return "\n".join(parts)

    def to_markdown(self) -> str:
        lines = [f"## {self.heading}", "", *([self.caption, ""] if self.caption else []), _CAPTION]
        for speed in self.speeds:
            lines += ["", f"{speed.title}.", "", markdown_row(_HEADINGS)]
            lines.append(markdown_row(["---"] * len(_HEADINGS)))
            for record in speed.records:
                lines.append(markdown_row([record.contestant, *_texts(speed, record)]))
        return "\n".join(lines) + "\n"


def _texts(speed: Speed, record: Record) -> list[str]:
    """The cells behind the name of a contestant."""
    if record.unavailable:
        return [record.why_not, *[""] * (len(_HEADINGS) - 2)]
    times = speed.times_literal(record)
    details = (record.weights, record.mode, record.configuration)
    return [
        significant(1000 * record.seconds, None),
        record.steps_text,
        "" if record.steps is None else f"{record.steps * record.seconds:.0%}",
        "" if times is None else significant(times, None),
        f"{record.memory / 2**20:.0f}",
        "; ".join(filter(None, details)),
    ]


def _html_row(speed: Speed, record: Record) -> str:
    name, what = record.contestant, KINDS[record.kind]
    first, *others = _texts(speed, record)
    kind = ' class="missing"' if record.unavailable else ""
    return (
        f'<tr><th scope="row">{escape(name)}<small>{escape(what)}</small></th>'
        f"<td{kind}>{escape(first)}</td>"
        + "".join(f"<td>{escape(text)}</td>" for text in others)
        + "</tr>"
    )


def _csv_row(speed: Speed, record: Record) -> dict[str, object]:
    row: dict[str, object] = {
        "simulation": speed.simulation,
        "contestant": record.contestant,
        "kind": record.kind,
        "architecture": speed.architecture,
        "data": speed.data,
        "scale": speed.scale,
        "note": speed.note,
    }
    if record.unavailable:
        return row | {"note": record.why_not}
    return row | {
        "structure": record.structure,
        "atoms": record.atoms,
        "edges": record.edges,
        "seconds_per_energy_forces": record.seconds,
        "md_steps_per_second": record.steps,
        "times_literal": speed.times_literal(record),
        "peak_memory_bytes": record.memory,
        "machine": record.machine,
        "engine": record.engine,
        "timestep_fs": record.timestep,
        "mode": record.mode,
        "configuration": record.configuration,
        "weights": record.weights,
    }
