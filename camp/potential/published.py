"""Import of the authors' published CAMP checkpoints.

The conventions of these files are those of the published weights; the parameters are carried
over into the packed, factorised model without loss.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camp.cartesian.paths import atomic_moment_paths
from camp.errors import InputError, reason
from camp.potential.building import build, check_description
from camp.potential.potential import Potential

# The exponential moving average of the weights is the model the authors evaluated.
_PREFIX = "ema.ema_model."


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary of a checkpoint, read without executing anything from the file.

    :raises InputError: the file is damaged, or cannot be read safely as a checkpoint.
    """
    path = Path(path)
    try:
        # torch does not look at the checksums in the file.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                # torch never packs; what unpacks to more was made to fill the memory.
                if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
                    raise InputError(f"{path}: not a checkpoint (packed)")
                if damaged := archive.testzip():
                    raise InputError(f"{path}: damaged ({damaged}); get or make it anew")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    # A damaged file makes the libraries fail in any way.
    except Exception as error:
        raise InputError(
            f"{path}: not a checkpoint that can be read safely ({reason(error)})"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a checkpoint (holds a {type(content).__name__})")
    return content


def import_published(path: str | Path) -> Potential:
    """A published checkpoint as a potential of ours, in float32.

    :raises InputError: not such a checkpoint, a key is missing, or a shape is wrong.
    """
    path = Path(path)
    content = read_checkpoint(path)
    try:
        settings = content["hyper_parameters"]["other_hparams"]
        published, species = settings["model"], settings["data"]["atomic_number"]
        hyperparameters: dict[str, Any] = dict(
            channels=published["max_u"] + 1,
            max_rank=published["max_v"],
            layers=published["num_layers"],
            chebyshev_degree=published["max_chebyshev_degree"],
            radial_hidden=list(published["radial_mlp_hidden_layers"]),
            readout_hidden=list(published["output_mlp_hidden_layers"]),
            # The authors' code divides by a square root rounded to float32.
            average_neighbours=float(torch.tensor(float(published["num_average_neigh"])).sqrt())
            ** 2,
            envelope_on="basis",
        )
        description: dict[str, Any] = dict(
            architecture="camp",
            hyperparameters=hyperparameters,
            species=sorted(species),
            cutoff=float(published["r_cut"]),
            energy_scale=float(published["atomic_energy_scale"]),
            energy_shift=[float(published["atomic_energy_shift"])],
            origin={"weights": "published", "file": path.name},
        )
        check_description(path, description)
        parameters = _parameters(content["state_dict"], path.stat().st_size)
        ours = _translate(parameters, hyperparameters)
    except InputError:
        raise
    # Other content than expected makes the calls above fail in any way.
    except Exception as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else reason(error)
        raise InputError(f"{path}: not a published CAMP checkpoint: {what}") from None
    return build(path, description, ours)


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


def _translate(
    published: Mapping[str, Tensor], hyperparameters: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Parameters of the published file under the names and in the layout of our model."""
    max_rank, layers = hyperparameters["max_rank"], hyperparameters["layers"]
    # A single path needs no weight, and the file has none.
    one = torch.ones(1, hyperparameters["channels"])

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
        for k in range(len(hyperparameters["radial_hidden"]) + 1):
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
