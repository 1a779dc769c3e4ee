"""NequIP, trained by nequip-train: the model of its tutorial, trained as its authors did LiPS.

python benchmarks/contestants/train_nequip.py WORK --json OUT --seconds S --batch-size N --seed N
"""

import json
import math
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ase.io
import torch
from ase.calculators.calculator import Calculator
from fitting import ENERGY, FORCES, Fit, Plan, command, run, species
from nequip.integrations.ase import NequIPCalculator
from nequip.integrations.utils import basic_transforms
from nequip.model.saved_models.load_utils import load_saved_model
from nequip.utils.global_state import set_global_state

CUTOFF = 5.0
MONITORED = "val0_epoch/weighted_sum"


def configuration(plan: Plan, repeated: Path, steps: int) -> dict[str, Any]:
    """What ``nequip-train`` reads.

    :param repeated: the training set, as often as there are passes before a validation.
    :param steps: of the whole training.
    """
    names = species(plan.train)
    callback = "lightning.pytorch.callbacks.ModelCheckpoint"
    loader = {"_target_": "torch.utils.data.DataLoader", "batch_size": plan.batch_size}
    metrics = {
        "_target_": "nequip.train.EnergyForceMetrics",
        "coeffs": {"per_atom_energy_mae": 1.0, "forces_mae": 1.0},
    }
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": plan.seed,
            "train_file_path": str(repeated),
            "val_file_path": str(plan.validation),
            "include_keys": [ENERGY, FORCES],
            "key_mapping": {ENERGY: "total_energy", FORCES: "forces"},
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": names,
                    "chemical_species_to_atom_type_map": {name: name for name in names},
                },
                {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": CUTOFF},
            ],
            "train_dataloader": {**loader, "shuffle": True},
            "val_dataloader": loader,
            "stats_manager": {
                "_target_": "nequip.data.CommonDataStatisticsManager",
                "dataloader_kwargs": {"batch_size": plan.batch_size},
                "type_names": names,
            },
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu",
            "max_epochs": plan.validations,
            "max_time": {"_target_": "datetime.timedelta", "seconds": plan.seconds},
            "num_sanity_val_steps": 0,
            "enable_progress_bar": False,
            "logger": False,
            "callbacks": [
                {
                    "_target_": callback,
                    "dirpath": str(plan.folder),
                    "filename": "best",
                    "monitor": MONITORED,
                },
                # One after each validation, for the times in it.
                {
                    "_target_": callback,
                    "dirpath": str(plan.folder / "times"),
                    "filename": "{step}",
                    "save_top_k": -1,
                },
            ],
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": 0.99,
            "loss": {
                "_target_": "nequip.train.EnergyForceLoss",
                "per_atom_energy": True,
                "coeffs": {"total_energy": 1.0, "forces": 1.0},
            },
            "val_metrics": metrics,
            "train_metrics": metrics,
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.005, "amsgrad": True},
            "lr_scheduler": {
                "scheduler": {
                    "_target_": "torch.optim.lr_scheduler.CosineAnnealingLR",
                    "T_max": steps,
                },
                "interval": "step",
                "frequency": 1,
            },
            "model": {
                "_target_": "nequip.model.NequIPGNNModel",
                "seed": plan.seed,
                "model_dtype": "float32",
                "type_names": names,
                "r_max": CUTOFF,
                "num_layers": 4,
                "l_max": 1,
                "parity": True,
                "num_features": 32,
                "radial_mlp_depth": 2,
                "radial_mlp_width": 64,
                "avg_num_neighbors": "${training_data_stats:num_neighbors_mean}",
                "per_type_energy_scales": "${training_data_stats:per_type_forces_rms}",
                "per_type_energy_shifts": "${training_data_stats:per_atom_energy_mean}",
            },
        },
        "global_options": {"allow_tf32": False},
    }


def fit(plan: Plan) -> Fit:
    # Its average of the weights wants a validation after every pass.
    structures = ase.io.read(plan.train, ":") * plan.every
    ase.io.write(repeated := plan.folder / "repeated.xyz", structures)
    total = plan.validations * math.ceil(len(structures) / plan.batch_size)
    # JSON is YAML.
    text = json.dumps(configuration(plan, repeated, total), indent=2)
    (plan.folder / "config.yaml").write_text(text, encoding="utf-8")
    told = ["--config-path", plan.folder, "--config-name", "config"]
    command("nequip-train", *told, f"hydra.run.dir={plan.folder / 'hydra'}", folder=plan.folder)
    kept = sorted((plan.folder / "times").glob("*.ckpt"), key=lambda path: path.stat().st_mtime)
    if not kept:
        sys.exit(f"no validation within {plan.seconds:.0f} s")
    # Since the last but one, because the first steps are slower.
    began, elapsed, steps, validating = 0, 0.0, 0, 0.0
    for path in kept[-2:]:
        state = torch.load(path, map_location="cpu", weights_only=False)
        times = state["callbacks"]["Timer"]["time_elapsed"]
        part = times["train"] - elapsed
        began, elapsed, steps = steps, times["train"], state["global_step"]
        validating = times["validate"]
    return Fit(
        steps=steps,
        seconds=elapsed,
        step=(part - validating) / (steps - began),
        frame=validating / len(ase.io.read(plan.validation, ":")),
    )


def load(plan: Plan) -> tuple[Calculator, int]:
    model = load_saved_model(plan.folder / "best.ckpt").eval()
    names = species(plan.train)
    transforms = basic_transforms({}, CUTOFF, names, {name: name for name in names})
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return NequIPCalculator(model, "cpu", transforms=transforms), parameters


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    set_global_state(allow_tf32=False)
    run(
        "NequIP",
        fit,
        load,
        {"nequip": version("nequip"), "e3nn": version("e3nn")},
        configuration="l_max 1, 4 layers, 32 features of both parities, cutoff 5 Å; Adam with "
        "AMSGrad, 0.005, along a cosine to 0, average 0.99; float32",
    )
