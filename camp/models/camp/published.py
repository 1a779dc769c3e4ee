"""Import of the authors' published CAMP checkpoints.

The conventions of these files are those of the published weights; the parameters are carried
over into the packed, factorised model without loss.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camp.cartesian.paths import atomic_moment_paths
from camp.errors import InputError, reason
from camp.files import read_checkpoint
from camp.models.camp.settings import CampSettings
from camp.models.description import Description

# The exponential moving average of the weights is the model the authors evaluated.
_PREFIX = "ema.ema_model."


def read(path: Path, options: Mapping[str, str]) -> Description | None:
    """A published checkpoint, in float32; None if it is another file.

    :raises InputError: damaged, a key is missing, or a shape is wrong.
    """
    if path.suffix == ".json":
        return None
    content = read_checkpoint(path)
    if not _is_ours(content):
        return None
    try:
        settings = content["hyper_parameters"]["other_hparams"]
        published = settings["model"]
        species = settings["data"]["atomic_number"]
        ours = CampSettings(
            channels=published["max_u"] + 1,
            max_rank=published["max_v"],
            layers=published["num_layers"],
            cutoff=float(published["r_cut"]),
            chebyshev_degree=published["max_chebyshev_degree"],
            radial_hidden=list(published["radial_mlp_hidden_layers"]),
            readout_hidden=list(published["output_mlp_hidden_layers"]),
            # The authors' code divides by a square root rounded to float32.
            average_neighbours=float(torch.tensor(float(published["num_average_neigh"])).sqrt())
            ** 2,
            envelope_on="basis",
        )
        parameters = _parameters(content["state_dict"], path.stat().st_size)
        return Description(
            settings=ours,
            species=tuple(sorted(species)),
            parameters=_translate(parameters, ours),
            energy_scale=(float(published["atomic_energy_scale"]),),
            energy_shift=(float(published["atomic_energy_shift"]),),
            origin={"weights": "published", "file": path.name},
        )
    # Other content than expected makes the calls above fail in any way.
    except Exception as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else reason(error)
        raise InputError(f"{path}: not a published CAMP checkpoint: {what}") from None


def _is_ours(content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint has a parameter that only this model has, or the name of one."""
    state, hyperparameters = content.get("state_dict", {}), content.get("hyper_parameters", {})
    has_parameter = isinstance(state, dict) and f"{_PREFIX}atom_embedding.linear.weight" in state
    try:
        return has_parameter or "max_u" in hyperparameters["other_hparams"]["model"]
    except (KeyError, TypeError):
        return False


def _parameters(state: Mapping[str, Any], size: int) -> dict[str, Tensor]:
    """The averaged parameters by their names; each lies in the file of so many bytes.

    :raises TypeError: something else than such tensors.
    """
    parameters = {
        name.removeprefix(_PREFIX): value
        for name, value in state.items()
        if name.startswith(_PREFIX)
    }
    for name, value in parameters.items():
        whole = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
        # A tensor may repeat one number as often as it says.
        if not whole or value.nbytes > size:
            raise TypeError(f"{name} is no array of numbers")
    return parameters


def _translate(published: Mapping[str, Tensor], settings: CampSettings) -> dict[str, Tensor]:
    """Parameters of the published file under the names and in the layout of our model."""
    max_rank, layers = settings.max_rank, settings.layers
    # A single path needs no weight, and the file has none.
    one = torch.ones(1, settings.channels)

    def take(name: str) -> Tensor:
        return published[name].float()

    ours = {
        "embedding.weight": take("atom_embedding.linear.weight"),
        "embedding.bias": take("atom_embedding.linear.bias"),
    }
    for t in range(layers):
        theirs, own = f"layers.{t}.", f"layers.{t}."
        in_ranks = range(1 if t == 0 else max_rank + 1)
        out_ranks = range(1 if t == layers - 1 else max_rank + 1)
        for v in in_ranks:
            ours[f"{own}mixing.{v}"] = take(f"{theirs}mlp_mix_atom_feats.{v}.weight").T
        ours[f"{own}atomic.radial.coefficients"] = take(f"{theirs}atom_moment.radial.c").transpose(
            2, 3
        )
        paths = atomic_moment_paths(max_rank, max(in_ranks))
        for k in range(len(settings.radial_hidden or ()) + 1):
            mlps = [f"{theirs}atom_moment.radial_mlp.{v}_{v1}_{v + v1}." for v, v1 in paths]
            names = [f"{mlp}layers.{2 * k}" for mlp in mlps]
            ours[f"{own}atomic.radial.mlp.weights.{k}"] = torch.stack(
                [take(f"{name}.weight").T for name in names]
            )
            ours[f"{own}atomic.radial.mlp.biases.{k}"] = torch.stack(
                [take(f"{name}.bias")[None] for name in names]
            )
        for v in range(max_rank + 1):
            ours[f"{own}atomic.mixing.{v}"] = take(
                f"{theirs}atom_moment.linear_channel.{v}.weight"
            ).T
            several = sum(rank == v for rank, _ in paths) > 1
            ours[f"{own}atomic.path_weights.{v}"] = (
                take(f"{theirs}atom_moment.linear_path.{v}.weight") if several else one
            )
        for v in out_ranks:
            name = f"{theirs}hyper_moment.linear_path.{v}.weight"
            ours[f"{own}hyper.path_weights.{v}"] = take(name) if name in published else one
            ours[f"{own}update.{v}"] = take(f"{theirs}linear_channel_hyper.{v}.weight").T
            if t > 0:
                ours[f"{own}residual.{v}"] = take(f"{theirs}linear_channel_feats.{v}.weight").T
    for t in range(layers - 1):
        for kind in ("weight", "bias"):
            ours[f"readout.linear.{t}.{kind}"] = take(f"readout.out_layers.{t}.{kind}")
    last = f"readout.out_layers.{layers - 1}."
    for name in published:
        if name.startswith(last):
            ours[name.replace(last + "layers.", "readout.mlp.")] = take(name)
    return ours
