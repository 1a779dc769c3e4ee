"""The numbers that the paper prints, and which task or simulation answers which of them."""

import csv
import math
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from camp.errors import InputError

COLUMNS = ("id", "where", "task", "train_size", "model", "metric", "unit", "value", "std")


@dataclass(frozen=True)
class PaperNumber:
    """One printed number; ``model`` is CAMP, another model or AIMD (a reference).

    ``std`` is the printed standard deviation, None where the paper prints none. ``decimals`` and
    ``std_decimals`` count the printed digits behind the decimal point.
    """

    id: str
    where: str
    task: str
    train_size: int | None
    model: str
    metric: str
    unit: str
    value: float
    std: float | None
    decimals: int
    std_decimals: int

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit: how far the printed value may be from the true."""
        return 0.5 * 10.0**-self.decimals

    @property
    def shown_unit(self) -> str:
        """The unit with its proper signs; the file is plain ASCII."""
        return (
            self.unit.replace("/A", "/Å").replace("1e-5 cm2/s", "10⁻⁵ cm²/s").replace("1/s", "s⁻¹")
        )

    @property
    def shown(self) -> str:
        """As the paper prints it: the value, its standard deviation in parentheses."""
        return with_std(self.value, self.std, self.decimals, max(self.decimals, self.std_decimals))


def with_std(value: float, std: float | None, decimals: int, std_decimals: int) -> str:
    """'1.63 (0.16)', or '1.63' without a standard deviation."""
    text = f"{value:.{decimals}f}"
    return text if std is None else f"{text} ({std:.{std_decimals}f})"


def significant(value: float, std: float | None) -> str:
    """Three significant digits, a standard deviation with as many decimals."""
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 2
    return with_std(value, std, decimals, decimals)


def _decimals(text: str) -> int:
    """Digits behind the decimal point; a zero says nothing about digits."""
    return len(text.partition(".")[2]) if text and float(text) else 0


def read_paper_numbers(path: str | Path) -> list[PaperNumber]:
    """All rows of the table of the paper's numbers, in its order.

    :raises InputError: missing file, missing column, a value that is not a number.
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
    numbers = []
    for line, row in enumerate(rows, start=2):
        try:
            number = PaperNumber(
                id=row["id"],
                where=row["where"],
                task=row["task"],
                train_size=int(row["train_size"]) if row["train_size"] else None,
                model=row["model"],
                metric=row["metric"],
                unit=row["unit"],
                value=float(row["value"]),
                std=float(row["std"]) if row["std"] else None,
                decimals=_decimals(row["value"]),
                std_decimals=_decimals(row["std"]),
            )
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}, line {line}: {error}; put a number there") from None
        numbers.append(number)
    return numbers


def read_answering(*paths: str | Path) -> dict[str, str]:
    """Which task or simulation answers which number: {id: name}, from the ``paper`` entries.

    :param paths: YAML files {task: {paper: {energy: id, forces: id}, …}, …} and
        {simulation: {paper: {diffusivity: id, diffusivity_mae: id, stability: id, speed: [id,
        …]}, …}, …}.
    :raises InputError: missing file, not such a file, two answers for one number.
    """
    names: dict[str, str] = {}
    for path in map(Path, paths):
        for name, entry in _entries(path).items():
            given = (entry.get("paper") or {}).values()
            for identifier in chain.from_iterable([i] if isinstance(i, str) else i for i in given):
                if identifier in names:
                    raise InputError(
                        f"{path}: {identifier} is answered by both {names[identifier]} and {name}; "
                        "name it in one of them only"
                    )
                names[identifier] = name
    return names


def _entries(path: Path) -> dict[str, Any]:
    """The table {name: {…}, …} of a YAML file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a YAML file ({reason})") from None
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise InputError(
            f"{path}: not a table of tasks or simulations; give the file that lists them by name"
        )
    return content
