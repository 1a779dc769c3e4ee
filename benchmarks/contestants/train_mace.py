"""MACE, trained by mace_run_train as its README has it.

python benchmarks/contestants/train_mace.py WORK --json OUT --seconds S --batch-size N --seed N
"""

import json
import statistics
import warnings
from importlib.metadata import version

import ase.io
import mace  # before e3nn: it permits e3nn to read its constants
import torch
from ase.calculators.calculator import Calculator
from fitting import ENERGY, FORCES, Fit, Plan, command, run
from mace.calculators import MACECalculator

NAME = "peer"
OPTIONS = {
    # The model of the speed table; a larger one has too few steps in minutes on one core.
    "model": "MACE",
    "r_max": 5.0,
    "hidden_irreps": "64x0e",
    "E0s": "average",
    "energy_key": ENERGY,
    "forces_key": FORCES,
    # From the README, beside the defaults of the package.
    "ema_decay": 0.99,
    "device": "cpu",
    "default_dtype": "float32",
    # Nothing that trains.
    "plot": False,
}
FLAGS = ("ema", "swa", "amsgrad")


def fit(plan: Plan) -> Fit:
    # Validates after its first pass and then after every so many: the last must be one of them.
    passes = plan.passes + (plan.every > 1)
    options = {
        **OPTIONS,
        "name": NAME,
        "seed": plan.seed,
        "train_file": plan.train,
        "valid_file": plan.validation,
        "batch_size": plan.batch_size,
        "valid_batch_size": plan.batch_size,
        "max_num_epochs": passes,
        "start_swa": max(1, 3 * passes // 4),
        "eval_interval": plan.every,
    }
    told = [text for name, value in options.items() for text in (f"--{name}", value)]
    command("mace_run_train", *told, *(f"--{name}" for name in FLAGS), folder=plan.folder)
    (log,) = plan.folder.glob("results/*_train.txt")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [one["time"] for one in records if one["mode"] == "opt"]
    validations = [one["time"] for one in records if one["mode"] == "eval"]
    return Fit(
        steps=len(steps),
        seconds=sum(steps) + sum(validations),
        step=statistics.median(steps),
        frame=validations[-1] / len(ase.io.read(plan.validation, ":")),
    )


def load(plan: Plan) -> tuple[Calculator, int]:
    path = plan.folder / f"{NAME}_stagetwo.model"
    calculator = MACECalculator(model_paths=str(path), device="cpu", default_dtype="float32")
    (model,) = calculator.models
    return calculator, sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float32)
    run(
        "MACE",
        fit,
        load,
        {"mace-torch": mace.__version__, "e3nn": version("e3nn")},
        configuration="hidden_irreps 64x0e, cutoff 5 Å, 2 layers, correlation 3, l_max 3; Adam "
        "with AMSGrad, 0.01, second stage of 0.001 in the last quarter, average 0.99; float32",
    )
