"""Training of one potential: one task, one seed, one folder."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from ase import Atoms
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    TQDMProgressBar,
)
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.utilities import rank_zero_only
from torch.utils.data import DataLoader, DistributedSampler

from camp.data.graphs import GraphDataset, collate
from camp.errors import InputError
from camp.files import locked, read_json, write_json
from camp.potential.potential import Potential
from camp.potential.published import read_checkpoint
from camp.potential.saving import save
from camp.training.callbacks import BestAverage, MetricsTable, ProgressLine
from camp.training.compiled import can_compile
from camp.training.module import MONITOR, TrainingModule

MODEL_FILE = "model.safetensors"
SUMMARY_FILE = "training.json"
METRICS_FILE = "metrics.csv"
LAST, BEST = "last.ckpt", "best.ckpt"


class TrainingData(pl.LightningDataModule):
    """Training and validation graphs; the order of an epoch depends on seed and epoch only."""

    def __init__(
        self, training: GraphDataset, validation: GraphDataset, *, batch_size: int, seed: int
    ):
        super().__init__()
        self.training = training
        self.validation = validation
        self.batch_size = batch_size
        self.seed = seed

    def _loader(self, dataset: GraphDataset, *, shuffle: bool) -> DataLoader:
        assert self.trainer is not None
        # Lightning tells the sampler the epoch, so a resumed run sees the same order.
        sampler: DistributedSampler = DistributedSampler(
            dataset,
            num_replicas=self.trainer.world_size,
            rank=self.trainer.global_rank,
            shuffle=shuffle,
            seed=self.seed,
        )
        return DataLoader(dataset, self.batch_size, sampler=sampler, collate_fn=collate)

    def train_dataloader(self) -> DataLoader:
        return self._loader(self.training, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader(self.validation, shuffle=False)


def fingerprint(settings: Mapping[str, Any], data: Sequence[GraphDataset], seed: int) -> str:
    """Hash of all that defines a training, to recognise its own checkpoints."""
    hashes = [dataset.content_hash for dataset in data]
    content = json.dumps([settings["model"], settings["training"], hashes, seed], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def new_potential(settings: Mapping[str, Any], training: GraphDataset, seed: int) -> Potential:
    """A potential with fresh parameters, fitted in scale and shift to the training set."""
    statistics = training.statistics()
    hyperparameters = dict(settings["model"])
    architecture = hyperparameters.pop("architecture")
    cutoff = hyperparameters.pop("cutoff")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Potential(
            architecture,
            {**hyperparameters, "average_neighbours": statistics.average_neighbours},
            species=statistics.species,
            cutoff=cutoff,
            energy_scale=statistics.rms_force,
            energy_shift=statistics.mean_energy_per_atom,
            origin={
                "weights": "own",
                "seed": seed,
                "training_structures": len(training),
                "training_data_sha256": training.content_hash,
                **settings.get("labels", {}),
            },
        )


def train(
    settings: Mapping[str, Any],
    training: list[Atoms],
    validation: list[Atoms],
    *,
    seed: int,
    out: Path,
    resume: bool = False,
    cache: Path | None = None,
    devices: int = 1,
) -> dict[str, Any]:
    """Train one potential and write model.safetensors, metrics.csv and training.json to ``out``.

    An interrupted training leaves a checkpoint, from which ``resume`` continues exactly where the
    last epoch ended. The weights kept are those with the best validation error among the
    averaged ones, or the last if the training ends before averaging begins.

    :param settings: with the sections ``model`` and ``training`` of a task.
    :param cache: folder for processed graphs.
    :param devices: GPUs (or processes, without a GPU) that share every step; each of them takes
        batches of its own, so the batch grows with their number.
    :return: the summary, as in training.json.
    :raises InputError: bad structures, a folder in use or with another training in it.
    """
    options = settings["training"]
    cutoff = settings["model"]["cutoff"]
    bar = sys.stderr.isatty()
    datasets = [
        GraphDataset(part, cutoff, cache=cache, progress=bar) for part in (training, validation)
    ]
    unknown = set(datasets[1].statistics().species) - set(datasets[0].statistics().species)
    if unknown:
        raise InputError(
            f"validation structures hold atomic numbers {sorted(unknown)} that no training "
            "structure has; draw another split"
        )
    identity = fingerprint(settings, datasets, seed)
    # One lock for all processes of a training.
    with nullcontext() if getattr(rank_zero_only, "rank", 0) else locked(out):
        if (out / MODEL_FILE).exists():
            return _finished(out, identity, resume)
        checkpoint = _checkpoint_to_resume(out, identity, resume)
        compiled = bool(options["compile"])
        if compiled and not can_compile() and not torch.cuda.is_available():
            print("no C++ compiler found: training runs uncompiled", file=sys.stderr)
            compiled = False
        potential = new_potential(settings, datasets[0], seed)
        module = TrainingModule(potential, dict(options), compiled=compiled)
        table = MetricsTable(out / METRICS_FILE)
        stopping = EarlyStopping(MONITOR, patience=options["patience"], check_finite=True)
        best = BestAverage(out / BEST, start=options["ema_start"])
        last = ModelCheckpoint(
            out, Path(LAST).stem, save_on_train_epoch_end=True, enable_version_counter=False
        )
        trainer = pl.Trainer(
            accelerator="auto",
            devices=devices,
            strategy="ddp" if devices > 1 else "auto",
            max_epochs=options["max_epochs"],
            max_steps=options["max_steps"] or -1,
            callbacks=[
                _Identity(identity),
                LearningRateMonitor(),
                stopping,
                table,
                TQDMProgressBar() if bar else ProgressLine(),
                best,
                last,
            ],
            logger=TensorBoardLogger(out, name="tensorboard", version=""),
            plugins=[SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None,
            enable_progress_bar=bar,
            enable_model_summary=False,
            use_distributed_sampler=False,
            inference_mode=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            deterministic=True,
        )
        data = TrainingData(*datasets, batch_size=options["batch_size"], seed=seed)
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        if trainer.interrupted:
            raise KeyboardInterrupt
        error = trainer.callback_metrics[MONITOR]
        if best.best_model_score is not None:
            error = best.best_model_score
            weights = torch.load(best.best_model_path, weights_only=True)["state_dict"]
            module.load_state_dict(weights)
        if not torch.isfinite(error):
            raise InputError(
                f"{out}: the training diverged, no validation error is a number; lower "
                "learning_rate or gradient_clip"
            )
        summary = {
            "seed": seed,
            "parameters": sum(p.numel() for p in potential.parameters() if p.requires_grad),
            "steps": trainer.global_step,
            "epochs": trainer.current_epoch,
            "stop_reason": _stop_reason(trainer, stopping),
            "best_validation_forces_mae": float(error),
            "seconds": round(table.seconds(), 1),
            "device": str(trainer.strategy.root_device),
            "compiled": compiled,
            "fingerprint": identity,
        }
        if trainer.is_global_zero:
            module.average.origin.update(steps=summary["steps"], epochs=summary["epochs"])
            write_json(out / SUMMARY_FILE, summary)
            save(module.average, out / MODEL_FILE)
            for name in (LAST, BEST):
                (out / name).unlink(missing_ok=True)
    return summary


def _finished(out: Path, identity: str, resume: bool) -> dict[str, Any]:
    """The summary of a finished training, if it is the one that is asked for."""
    if resume and (summary := read_json(out / SUMMARY_FILE))["fingerprint"] == identity:
        return summary
    raise InputError(f"{out} holds a finished training; choose another --out, or delete it")


class _Identity(Callback):
    """Marks checkpoints with the training they belong to."""

    def __init__(self, identity: str):
        self.identity = identity

    def on_save_checkpoint(self, trainer, module, checkpoint) -> None:
        checkpoint["training"] = self.identity


def _checkpoint_to_resume(out: Path, identity: str, resume: bool) -> Path | None:
    """The checkpoint to continue from; one of another training is set aside, never overwritten."""
    path = out / LAST
    if not path.exists():
        return None
    if not resume:
        raise InputError(
            f"{out} holds an interrupted training; continue it with --resume, or choose another "
            "--out"
        )
    if read_checkpoint(path).get("training") == identity:
        return path
    number = 1 + sum(1 for _ in out.glob("superseded-*"))
    aside = out / f"superseded-{number}"
    aside.mkdir()
    for name in (LAST, BEST, METRICS_FILE):
        if (out / name).exists():
            (out / name).rename(aside / name)
    print(f"{path} is of a training with other settings; moved to {aside}", file=sys.stderr)
    return None


def _stop_reason(trainer: pl.Trainer, stopping: EarlyStopping) -> str:
    if not torch.isfinite(trainer.callback_metrics[MONITOR]):
        return "the validation error is no longer a number"
    if stopping.stopped_epoch:
        return f"no better validation error for {stopping.patience} epochs"
    if trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps:
        return "all steps done"
    return "all epochs done"
