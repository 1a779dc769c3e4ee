"""What a training may take, by which trainings are compared."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Whatever comes first ends a training."""

    structures_per_step: int
    epochs: int
    steps: int | None = None
    hours: float | None = None

    def __str__(self) -> str:
        """Such as 'at most 0.1 h; 2 structures a step'."""
        limits = [
            *([f"{self.hours:g} h"] if self.hours else []),
            *([f"{self.steps:,} steps"] if self.steps else []),
        ] or [f"{self.epochs:,} epochs"]
        count = self.structures_per_step
        return f"at most {', '.join(limits)}; {count} structure{'s' * (count > 1)} a step"
