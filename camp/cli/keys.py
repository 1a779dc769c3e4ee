"""Options that say under which names files have energy, forces and stress."""

import argparse

from camp.targets import ENERGY, FORCES, STRESS

_NAMED = (ENERGY, FORCES, STRESS)


def add_keys(parser: argparse.ArgumentParser) -> None:
    for target in _NAMED:
        parser.add_argument(
            f"--{target.name}-key",
            metavar="NAME",
            help=f"name of the {target.name} ({target.unit}) in the files",
        )


def given_keys(arguments: argparse.Namespace) -> dict[str, str]:
    """The names that were given, by target."""
    names = {target.name: getattr(arguments, f"{target.name}_key") for target in _NAMED}
    return {target: name for target, name in names.items() if name is not None}
