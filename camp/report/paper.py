"""The numbers that a paper prints, and what of ours answers each of them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from camp.errors import InputError
from camp.report.metrics import METRICS, Metric, proper_unit
from camp.settings.words import suggestion

COLUMNS = (
    "id",
    "where",
    "task",
    "system",
    "setting",
    "setting_value",
    "train_size",
    "model",
    "metric",
    "unit",
    "value",
    "std",
    "reference",
    "device",
    "architecture",
    "answered_by_task",
    "answered_by_simulation",
)


@dataclass(frozen=True)
class PaperNumber:
    """One printed number.

    ``model`` is as the paper names it; ``architecture`` is that model here, empty for numbers that
    are only quoted. One of ours is answered by the evaluations of a task or by a simulation.
    ``task`` is what the paper says it is of, ``system`` the substance alone; ``setting`` and
    ``setting_value`` say what an ablation changed. ``std`` is the printed standard deviation, None
    where the paper prints none; ``decimals`` and ``std_decimals`` count the printed digits behind
    the decimal point. ``reference`` is the value from which a printed error of a property counts.
    ``device`` is part of the name of the one that a speed was measured on, such as V100.
    """

    id: str
    where: str
    model: str
    metric: Metric
    unit: str
    value: float
    std: float | None = None
    decimals: int = 0
    std_decimals: int = 0
    task: str = ""
    system: str = ""
    setting: str = ""
    setting_value: str = ""
    train_size: int | None = None
    reference: float | None = None
    device: str = ""
    architecture: str = ""
    answered_by_task: str = ""
    answered_by_simulation: str = ""

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit: how far the printed value may be from the true."""
        return 0.5 * 10.0**-self.decimals

    @property
    def shown_unit(self) -> str:
        return proper_unit(self.unit)

    @property
    def title(self) -> str:
        """What was measured, with the device where it says more than the task."""
        return f"{self.metric.title}, {self.device}" if self.device else self.metric.title

    @property
    def shown_task(self) -> str:
        return self.task.replace("(A)", "(Å)")

    @property
    def shown(self) -> str:
        """As the paper prints it: the value, its standard deviation in parentheses."""
        return with_std(self.value, self.std, self.decimals, max(self.decimals, self.std_decimals))


def with_std(value: float, std: float | None, decimals: int, std_decimals: int) -> str:
    """'1.63 (0.16)', or '1.63' without a standard deviation."""
    text = f"{value:.{decimals}f}"
    return text if std is None else f"{text} ({std:.{std_decimals}f})"


def significant(value: float, std: float | None, uncertainty: float | None = None) -> str:
    """Three significant digits, or as many as the uncertainty allows: up to its second digit beside
    a standard deviation, which has as many decimals, up to its first alone.

    :param uncertainty: the standard deviation unless given.
    """
    unsure, kept = std if uncertainty is None else uncertainty, 1 if std is None else 2
    places = [_place(number, digits) for number, digits in ((value, 3), (unsure, kept)) if number]
    last = max(places, default=-2)
    decimals = max(0, -last)
    # Zero is added because of −0.0.
    shown = round(value, -last) + 0.0
    return with_std(shown, None if std is None else round(std, -last), decimals, decimals)


def _place(number: float, digits: int) -> int:
    """The power of ten of the last of so many significant digits."""
    return int(f"{number:.{digits - 1}e}".partition("e")[2]) - digits + 1


def _decimals(text: str) -> int:
    """Digits behind the decimal point; a zero says nothing about digits."""
    return len(text.partition(".")[2]) if text and float(text) else 0


def read_paper_numbers(path: str | Path) -> list[PaperNumber]:
    """All rows of the table of a paper's numbers, in its order.

    :raises InputError: missing file or column, a value that is not a number, an unknown metric or
        unit, a number with two answers, a speed without its device.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{path}: no column {', '.join(sorted(missing))}; add it")
            rows = list(reader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
    numbers = []
    for line, row in enumerate(rows, start=2):
        try:
            numbers.append(_number(row))
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from None
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}, line {line}: {error}; put a number there") from None
    return numbers


def _number(row: dict[str, str]) -> PaperNumber:
    """:raises InputError: without the name of the file."""
    if row["metric"] not in METRICS:
        raise InputError(f"no metric {row['metric']!r}{suggestion(row['metric'], [*METRICS])}")
    metric = METRICS[row["metric"]]
    if row["unit"] not in metric.units:
        known = ", ".join(metric.units)
        raise InputError(f"{metric.name} in {row['unit']!r}; it must be in one of {known}")
    if row["answered_by_task"] and row["answered_by_simulation"]:
        raise InputError(f"{row['id']} is answered by both a task and a simulation; name one")
    if metric.needs_reference and not row["reference"]:
        raise InputError(f"{metric.name} needs the reference that its error counts from")
    if metric.answered_by == "speed" and not row["device"]:
        raise InputError(f"{metric.name} needs the device that it was measured on")
    texts = ("id", "where", "task", "system", "setting", "setting_value", "model", "unit", "device")
    answers = ("architecture", "answered_by_task", "answered_by_simulation")
    return PaperNumber(
        **{name: row[name] for name in (*texts, *answers)},
        metric=metric,
        value=float(row["value"]),
        std=float(row["std"]) if row["std"] else None,
        decimals=_decimals(row["value"]),
        std_decimals=_decimals(row["std"]),
        train_size=int(row["train_size"]) if row["train_size"] else None,
        reference=float(row["reference"]) if row["reference"] else None,
    )
