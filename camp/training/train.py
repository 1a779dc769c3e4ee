"""Training of one potential: one task, one seed, one folder."""

import math
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from ase import Atoms
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.environments import SLURMEnvironment
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException

from camp.data.dataset import GraphDataset
from camp.data.statistics import statistics_of
from camp.errors import InputError
from camp.files import locked, write_json, writing
from camp.potential.potential import Potential
from camp.potential.saving import model_hash, save
from camp.settings import Run, TrainingJob
from camp.settings.architectures import code_of
from camp.targets import TARGETS
from camp.training.announcement import announcement
from camp.training.asked import Asked
from camp.training.batches import TrainingData
from camp.training.callbacks import (
    BestAverages,
    Clock,
    EarlyEnd,
    MemoryWatch,
    MetricsTables,
    ProgressLine,
    advice,
)
from camp.training.checkpoints import (
    LAST,
    KeepPrevious,
    finished_checkpoint,
    keep_finished,
    newest_checkpoint,
)
from camp.training.compiled import can_compile
from camp.training.folder import (
    BEST_FILE,
    METRICS_FILE,
    MODEL_FILE,
    SUMMARY_FILE,
    MarkedCheckpoints,
    check_interrupted,
    finished_summary,
    move_aside,
)
from camp.training.initial import new_potential, started_potential
from camp.training.interpolated import is_worth_a_grid, is_worth_tables
from camp.training.module import TrainingModule


def asked_for(
    settings: TrainingJob,
    data: Sequence[GraphDataset],
    seed: int,
    devices: int,
    start: Potential | None = None,
) -> Asked:
    """Training and validation set, and all else that a training depends on."""
    return Asked(
        {
            "model": settings.model.model_dump(),
            "training": settings.training.model_dump(),
            "seed": seed,
            "devices": devices,
            **({} if start is None else {"start": model_hash(start)}),
        },
        data=[dataset.content_hash for dataset in data],
        code=[
            __name__,
            *code_of(
                settings.model.architecture,
                accelerated=settings.training.runs_accelerated,
            ),
        ],
    )


def train(
    settings: TrainingJob,
    training: Sequence[Atoms],
    validation: Sequence[Atoms],
    *,
    seeds: Sequence[int],
    out: Path,
    resume: bool = False,
    set_aside: bool = False,
    start: Potential | None = None,
    cache: Path | None = None,
    devices: int = 1,
) -> list[dict[str, Any]]:
    """Train one potential and write model.safetensors, metrics.csv and training.json to ``out``;
    or one for each of several seeds side by side, each to a folder of its run's name in ``out``.

    An interrupted training leaves a checkpoint, from which ``resume`` continues exactly where the
    last epoch ended; so does a finished one, if its model is gone. With other settings, data or
    code it is another training, see :mod:`camp.identity`. The weights kept are those with the best
    validation error among the averaged ones, or the last if the training ends before averaging
    begins; until then the best ones so far lie in best-so-far.safetensors.

    :param seeds: of weights and order of batches.
    :param set_aside: move another training that was interrupted out of the way instead of
        refusing.
    :param start: a trained potential to train on, of the settings' model, instead of a new one.
    :param cache: folder for processed graphs.
    :param devices: GPUs (or processes, without a GPU) that share every step; each of them takes
        batches of its own, so the batch grows with their number. For one seed only.
    :return: the summary of each seed, as in training.json.
    :raises InputError: bad structures, a folder in use or with another training in it.
    """
    cutoff, bar = settings.model.cutoff, sys.stderr.isatty()
    targets = settings.learnt
    datasets = [
        GraphDataset(part, cutoff, targets=targets, cache=cache, progress=bar)
        for part in (training, validation)
    ]
    unknown = set(statistics_of(datasets[1]).species) - set(statistics_of(datasets[0]).species)
    if unknown:
        raise InputError(
            f"validation structures hold atomic numbers {sorted(unknown)} that no training "
            "structure has; draw another split"
        )
    if not statistics_of(datasets[0]).average_neighbours:
        raise InputError(
            f"no atom of the training structures has a neighbour within the cutoff of {cutoff:g} "
            "Å; raise the model's cutoff, or see whether lengths are in Å"
        )
    folders = {seeds[0]: out}
    if len(seeds) > 1:
        name = settings.model.architecture
        folders = {seed: out / Run(name, "own", seed).name for seed in seeds}
        # What they share.
        out = out / f"{name}-seeds"
    if len(folders) > 1 and not datasets[0].is_uniform:
        raise InputError(
            "structures with different numbers of atoms cannot be trained with several seeds "
            "together; train one seed after the other"
        )
    if len(folders) > 1 and devices > 1:
        raise InputError("several seeds share one device; give either --devices or several seeds")
    asked = {seed: asked_for(settings, datasets, seed, devices, start) for seed in folders}
    with ExitStack() as stack:
        # One lock for all processes of a training.
        if not getattr(rank_zero_only, "rank", 0):
            for folder in {out, *folders.values()}:
                stack.enter_context(locked(folder))
        newest, content = newest_checkpoint(out)
        known = content.get("training", [])
        summaries = {
            seed: finished_summary(folder, asked[seed], resume)
            for seed, folder in folders.items()
            if (folder / MODEL_FILE).exists() and asked[seed].identity not in known
        }
        left = {seed: folder for seed, folder in folders.items() if seed not in summaries}
        if left:
            wanted = {seed: asked[seed] for seed in left}
            identities = [one.identity for one in wanted.values()]
            if newest:
                ours = known == identities
                check_interrupted(out, content, [*wanted.values()], ours, resume, set_aside)
                if not ours:
                    move_aside(out)
                    newest = None
            if newest is None and resume:
                newest, content = finished_checkpoint(out)
                if content.get("training") != identities:
                    newest = None
            job = _Training(settings, datasets, left, wanted, out, start)
            summaries |= job.run(newest, devices)
    return [summaries[seed] for seed in folders]


class _Training:
    """The seeds of some folders, trained together."""

    def __init__(
        self,
        settings: TrainingJob,
        datasets: Sequence[GraphDataset],
        folders: Mapping[int, Path],
        asked: Mapping[int, Asked],
        out: Path,
        start: Potential | None,
    ):
        options = settings.training
        self.settings = settings
        self.datasets = datasets
        self.folders = folders
        self.asked = asked
        self.out = out
        self.compiled = options.compiles and _may_compile()
        potentials = [
            started_potential(start, settings, datasets[0], seed)
            if start
            else new_potential(settings, datasets[0], seed)
            for seed in folders
        ]
        self.parameters = potentials[0].trained_parameters
        targets = list(datasets[0].targets)
        # Several seeds have an axis more, which the interpolation does not know.
        interpolated = (
            options.interpolate
            and len(folders) == 1
            and is_worth_a_grid(potentials[0], datasets[0], options.batch_size, _device())
        )
        validated = min(len(datasets[1]), options.validate_part or len(datasets[1]))
        self.module = TrainingModule(
            potentials,
            options,
            targets=targets,
            compiled=self.compiled,
            together=_is_worth_tracing(),
            interpolated=interpolated,
            tabulated=options.accelerated_validation
            and is_worth_tables(potentials[0], datasets[1], validated),
        )
        paths = [folder / METRICS_FILE for folder in folders.values()]
        self.clock = Clock(shared=options.max_time is not None)
        self.tables = MetricsTables(paths, targets, self.clock)
        self.module.seconds = self.clock.seconds
        self.memory = MemoryWatch()
        paths = [folder / BEST_FILE for folder in folders.values()]
        self.best = BestAverages(paths)
        self.end = EarlyEnd(
            len(folders),
            patience=options.patience,
            max_steps=options.max_steps,
            max_seconds=3600 * options.max_time if options.max_time else None,
            seconds=self.clock.seconds,
        )

    def run(self, checkpoint: Path | None, devices: int) -> dict[int, dict[str, Any]]:
        """Train, save, and return the summary of each seed.

        :raises InputError: a training diverged; the others are saved.
        """
        trainer = self._trainer(devices)
        options = self.settings.training
        data = TrainingData(
            *self.datasets,
            batch_size=options.batch_size,
            seeds=list(self.folders),
            steps=options.validate_every,
            part=options.validate_part,
        )
        if trainer.is_global_zero:
            print(self._announcement(trainer.strategy.root_device, devices), file=sys.stderr)
        try:
            with writing(self.out):
                trainer.fit(self.module, data, ckpt_path=checkpoint, weights_only=True)
        except SIGTERMException:
            # Lightning would end the process as if all were well.
            sys.exit(128 + signal.SIGTERM)
        summaries = {}
        for member, seed in enumerate(self.folders):
            if not math.isfinite(self.end.last[member]) and trainer.is_global_zero:
                print(f"seed {seed}: {self.end.reasons[member]}", file=sys.stderr)
            if (summary := self._take_best(member, seed, trainer)) is not None:
                if len(data.part) < len(data.validation):
                    summary["validated_part"] = len(data.part)
                    # Lightning has taken it away from there.
                    self.module.to(trainer.strategy.root_device)
                    summary["whole_validation_errors"] = self.module.errors(
                        member, data.whole_validation()
                    )
                    self.module.cpu()
                summaries[seed] = summary
                if trainer.is_global_zero:
                    self._save(member, summary)
        if diverged := [seed for seed in self.folders if seed not in summaries]:
            # The same for each, but for the step.
            reason = self.end.reasons[[*self.folders].index(diverged[0])]
            raise InputError(
                f"{self.out}: the training of seed {', '.join(map(str, diverged))} diverged, "
                f"{reason}; {advice(options)}"
            )
        if trainer.is_global_zero:
            keep_finished(self.out)
            if self.module.still_compiles:
                print(
                    "waiting for the compiler; the next such training finds its code in the cache",
                    file=sys.stderr,
                )
        return summaries

    def _announcement(self, device: torch.device, devices: int) -> str:
        potential, (training, validation) = self.module.potentials[0], self.datasets
        assert isinstance(potential, Potential)
        return announcement(
            potential,
            training,
            validation,
            self.settings.training,
            device=device,
            devices=devices,
            seeds=list(self.folders),
        )

    def _trainer(self, devices: int) -> pl.Trainer:
        bar = sys.stderr.isatty()
        plugins: list[Any] = [KeepPrevious()]
        if SLURMEnvironment.detect():
            plugins.append(SLURMEnvironment(auto_requeue=False))
        checkpoints = ModelCheckpoint(
            self.out, Path(LAST).stem, save_on_train_epoch_end=True, enable_version_counter=False
        )
        return pl.Trainer(
            # Never another kind of device: Apple's has no float64.
            accelerator=_device().type,
            devices=devices,
            strategy="ddp" if devices > 1 else "auto",
            max_epochs=self.settings.training.epochs,
            callbacks=[
                MarkedCheckpoints([*self.asked.values()]),
                LearningRateMonitor(),
                self.clock,
                self.tables,
                self.memory,
                self.best,
                self.end,
                TQDMProgressBar() if bar else ProgressLine(),
                checkpoints,
            ],
            logger=TensorBoardLogger(self.out, name="tensorboard", version=""),
            plugins=plugins,
            enable_progress_bar=bar,
            enable_model_summary=False,
            use_distributed_sampler=False,
            inference_mode=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            deterministic=True,
        )

    def _take_best(self, member: int, seed: int, trainer: pl.Trainer) -> dict[str, Any] | None:
        """Put the best weights into the average; its summary, or None if it diverged."""
        error, weights = self.end.last[member], self.best.weights[member]
        if weights is not None:
            error = self.best.errors[member]
            self.module.averages[member].load_state_dict(weights)
        if not math.isfinite(error):
            return None
        epochs, steps = self.end.ends[member] or (trainer.current_epoch, trainer.global_step)
        return {
            "task": getattr(self.settings, "task", ""),
            "architecture": self.settings.model.architecture,
            "seed": seed,
            "parameters": self.parameters,
            "steps": steps,
            "epochs": epochs,
            "stop_reason": self.end.reasons[member] or self.end.completion(trainer),
            "monitor": self.module.monitored,
            "best_validation_error": error,
            "seconds": round(self.clock.seconds(), 1),
            "seeds_together": list(self.folders),
            **self.memory.peak.record(),
            "device": str(trainer.strategy.root_device),
            "threads": torch.get_num_threads(),
            "budget": asdict(self.settings.training.budget(trainer.world_size)),
            "compiled": self.compiled,
            "identity": self.asked[seed].identity,
            "asked": self.asked[seed].record(),
        }

    def _save(self, member: int, summary: Mapping[str, Any]) -> None:
        folder = self.folders[summary["seed"]]
        average = self.module.averages[member]
        assert isinstance(average, Potential)
        average.origin.update(steps=summary["steps"], epochs=summary["epochs"])
        target = TARGETS[summary["monitor"]]
        whole = summary.get("whole_validation_errors", {})
        error = whole.get(target.name, summary["best_validation_error"])
        average.origin["validation"] = f"{target.name} MAE {target.error(error)}"
        self.tables.write(member)
        write_json(folder / SUMMARY_FILE, summary)
        save(average, folder / MODEL_FILE)
        (folder / BEST_FILE).unlink(missing_ok=True)


def _device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _is_worth_tracing() -> bool:
    """Whether several models are faster in one traced step than one after the other: a CPU is full
    with one, and tracing takes half a minute.
    """
    return _device().type == "cuda"


def _may_compile() -> bool:
    """Whether steps can be compiled; says so on stderr if not."""
    possible = can_compile() or torch.cuda.is_available()
    if not possible:
        print("no C++ compiler found: training runs uncompiled", file=sys.stderr)
    return possible
