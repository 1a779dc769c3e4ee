"""The code that a simulation runs, by its engine and its model; light enough for the workflow."""

from camp.settings.architectures import code_of

ENGINES = {
    "ase": ("camp.md.ase_engine", "camp.potential.calculator"),
    "torchsim": ("camp.md.torchsim_engine", "camp.potential.torchsim"),
}


def simulation_code(engine: str, architecture: str) -> tuple[str, ...]:
    """Names of the modules in which the code of a simulation begins, see :mod:`camp.identity`."""
    return ("camp.md.simulate", *ENGINES[engine], *code_of(architecture, accelerated=True))
