"""What Snakemake was told: the scale, and whether the files it is asked for are of this scale."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from camp.errors import InputError
from camp.settings import Scale, load_scale

DEFAULT = "quick.yaml"


def load(config: Path, files: Sequence[Path], entries: Sequence[str]) -> Scale:
    """The scale of some configuration files, or the default one.

    :param config: the folder of the configuration.
    :param files: as after ``--configfile``.
    :param entries: as after ``--config``, such as ``seeds=[1,2]``, of which Snakemake itself would
        read the numbers as texts.
    :raises InputError: what is wrong with them, in one line.
    """
    given = [entry.partition("=") for entry in entries]
    here = Path.cwd()
    paths = [*files] or [config / DEFAULT]
    return load_scale(
        [path.relative_to(here) if path.is_relative_to(here) else path for path in paths],
        {key: yaml.safe_load(value) for key, _, value in given},
        folder=config,
    )


def check_targets(scale: Scale, arguments: Iterable[str]) -> None:
    """Refuse files of another scale than the loaded one, for which there is no rule.

    :param arguments: of the command line.
    :raises InputError: naming the first of them.
    """
    for argument in arguments:
        parts = Path(argument).parts
        if len(parts) > 2 and parts[0] == "results" and parts[1] != scale.name:
            raise InputError(
                f"{argument} is of the scale '{parts[1]}', but '{scale.name}' is loaded; give "
                f"--configfile config/{parts[1]}.yaml"
            )


def shell_prefix(python: Path, conda: bool) -> str:
    """What every command of the workflow begins with.

    Jobs run in the environment of Snakemake itself, or with ``--software-deployment-method conda``
    in that of environment.yml, in which this package is not installed.

    :param python: the interpreter that runs Snakemake.
    :param conda: whether rules have environments of their own.
    """
    package = Path(__file__).resolve().parents[2]
    if conda:
        environment = f'export PYTHONPATH="{package}"; camp() {{ python -m camp "$@"; }}'
    else:
        environment = f'export PATH="{python.parent}:$PATH"'
    return f"set -euo pipefail; {environment}; "
