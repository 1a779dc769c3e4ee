"""Batches of a training: in an order that depends on seed and epoch only."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from camp.data.graphs import GraphDataset, LabelledBatch

# Neighbour slots that a batch of validation structures may have, at least one structure.
VALIDATION_SLOTS = {"cpu": 20_000, "cuda": 400_000}


class TrainingData(pl.LightningDataModule):
    """Training batches, a list with one for each seed, and validation batches.

    The order of an epoch depends on seed and epoch only.
    """

    def __init__(
        self,
        training: GraphDataset,
        validation: GraphDataset,
        *,
        batch_size: int,
        seeds: Sequence[int],
    ):
        super().__init__()
        self.training = training
        self.validation = validation
        self.batch_size = batch_size
        self.seeds = seeds

    def setup(self, stage: str) -> None:
        assert self.trainer is not None
        for dataset in (self.training, self.validation):
            dataset.keep_on(self.trainer.strategy.root_device)

    def train_dataloader(self) -> DataLoader:
        orders = _Orders([self._sampler(self.training, seed, True) for seed in self.seeds])
        return DataLoader(_Indices(), self.batch_size, sampler=orders, collate_fn=self._batches)

    def val_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        slots = VALIDATION_SLOTS[self.trainer.strategy.root_device.type]
        size = max(1, slots // self.validation.most_slots)
        sampler = self._sampler(self.validation, 0, False)
        return DataLoader(_Indices(), size, sampler=sampler, collate_fn=self.validation.batch)

    def _batches(self, rows: list[tuple[int, ...]]) -> list[LabelledBatch]:
        return [self.training.batch(indices) for indices in zip(*rows, strict=True)]

    def _sampler(self, dataset: GraphDataset, seed: int, shuffle: bool) -> DistributedSampler:
        assert self.trainer is not None
        return DistributedSampler(
            dataset,
            num_replicas=self.trainer.world_size,
            rank=self.trainer.global_rank,
            shuffle=shuffle,
            seed=seed,
        )


class _Orders(Sampler[tuple[int, ...]]):
    """Several orders of one dataset side by side."""

    def __init__(self, samplers: Sequence[DistributedSampler]):
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
