"""Batches of a training: in an order that depends on seed and epoch only.

An epoch is a pass over the training set, or a number of steps. In the latter case passes follow
one another without a break: all batches are full, and a compiled step meets one size only.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, Subset

from camp.data.dataset import GraphDataset
from camp.data.labelled import LabelledBatch

# Neighbour slots that a batch of validation structures may have, at least one structure.
VALIDATION_SLOTS = {"cpu": 20_000, "cuda": 400_000}


class TrainingData(pl.LightningDataModule):
    """Training batches, a list with one for each seed, and validation batches.

    :param steps: of an epoch; None: a pass over the training set.
    :param part: validation structures that are looked at, evenly spaced; None: all of them.
    """

    def __init__(
        self,
        training: GraphDataset,
        validation: GraphDataset,
        *,
        batch_size: int,
        seeds: Sequence[int],
        steps: int | None = None,
        part: int | None = None,
    ):
        super().__init__()
        self.training = training
        self.validation = validation
        self.batch_size = batch_size
        self.seeds = seeds
        self.steps = steps
        count = min(part or len(validation), len(validation))
        # Whole numbers: the last is below the length.
        indices = [k * len(validation) // count for k in range(count)]
        self.part = Subset(validation, indices)

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        for dataset in (self.training, self.validation):
            dataset.keep_on(self.trainer.strategy.root_device)

    def train_dataloader(self) -> DataLoader:
        orders = _Orders([self._order(seed) for seed in self.seeds])
        return DataLoader(_Indices(), self.batch_size, sampler=orders, collate_fn=self._batches)

    def val_dataloader(self) -> DataLoader:
        sampler = self._sampler(self.part, 0, False)
        return DataLoader(
            _Indices(), self._validation_size, sampler=sampler, collate_fn=self._part_of_validation
        )

    def whole_validation(self) -> Iterator[LabelledBatch]:
        """Batches of the whole validation set, for each process."""
        indices = range(len(self.validation))
        for first in range(0, len(indices), self._validation_size):
            yield self.validation.batch(indices[first : first + self._validation_size])

    @property
    def _validation_size(self) -> int:
        assert self.trainer is not None
        slots = VALIDATION_SLOTS[self.trainer.strategy.root_device.type]
        return max(1, slots // self.validation.most_slots)

    def _part_of_validation(self, rows: list[int]) -> LabelledBatch:
        return self.validation.batch([self.part.indices[row] for row in rows])

    def _batches(self, rows: list[tuple[int, ...]]) -> list[LabelledBatch]:
        return [self.training.batch(indices) for indices in zip(*rows, strict=True)]

    def _order(self, seed: int) -> "DistributedSampler | _Endless":
        if self.steps is None:
            return self._sampler(self.training, seed, True)
        assert self.trainer is not None
        return _Endless(
            len(self.training),
            self.steps * self.batch_size,
            seed=seed,
            rank=self.trainer.global_rank,
            processes=self.trainer.world_size,
        )

    def _sampler(self, dataset: Dataset, seed: int, shuffle: bool) -> DistributedSampler:
        assert self.trainer is not None
        return DistributedSampler(
            dataset,
            num_replicas=self.trainer.world_size,
            rank=self.trainer.global_rank,
            shuffle=shuffle,
            seed=seed,
        )


class _Endless(Sampler[int]):
    """Passes over a dataset, each in an order of its own, cut into epochs of the same length.

    :param length: of the dataset.
    :param epoch_length: structures that each process takes in an epoch.
    """

    def __init__(self, length: int, epoch_length: int, *, seed: int, rank: int, processes: int):
        self.length = length
        self.epoch_length = epoch_length
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * self.epoch_length * self.processes + self.rank
        last = first + self.epoch_length * self.processes
        known, order = -1, torch.empty(0)
        for position in range(first, last, self.processes):
            number, place = divmod(position, self.length)
            if number != known:
                known, order = number, self._pass(number)
            yield int(order[place])

    def _pass(self, number: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.seed + number)
        return torch.randperm(self.length, generator=generator)

    def __len__(self) -> int:
        return self.epoch_length


class _Orders(Sampler[tuple[int, ...]]):
    """Several orders of one dataset side by side."""

    def __init__(self, samplers: Sequence[DistributedSampler | _Endless]):
        self.samplers = samplers

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning, so that a resumed training sees the same orders."""
        for sampler in self.samplers:
            sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return zip(*self.samplers, strict=True)

    def __len__(self) -> int:
        return len(self.samplers[0])


class _Indices(Dataset):
    """Hands on what the sampler says, because batches are made in one piece."""

    def __getitem__(self, index: Any) -> Any:
        return index
