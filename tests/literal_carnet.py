"""CarNet written out literally: its equations on full 3^l tensors, one path after the other.

The oracle for :class:`camp.models.carnet.network.CarNet`: it takes the same parameters and
settings, and nothing else from it, nor from :mod:`camp.cartesian`. Features are, for each rank l,
(n, u, 3^l), entries row-major; edges are a list.
"""

import math
from functools import cache
from itertools import permutations

import torch
from ase.data import covalent_radii
from torch.nn.functional import silu, softplus


def double_factorial(n):
    return math.prod(range(n, 0, -2))


def symmetrised(tensor, rank):
    """The mean over all orders of the last ``rank`` axes."""
    batch = tensor.ndim - rank
    orders = [(*range(batch), *(batch + k for k in order)) for order in permutations(range(rank))]
    return sum(tensor.permute(order) for order in orders) / len(orders)


def stf(tensor, rank):
    """Σ_d (−1)^d (2l−2d−1)!!/(2l−1)!! {I^d tr^d S}; S the symmetric part, {·} a sum over
    arrangements.
    """
    one = torch.eye(3, dtype=tensor.dtype)
    trace, result = symmetrised(tensor, rank), 0
    for d in range(rank // 2 + 1):
        term = trace
        for _ in range(d):
            term = torch.einsum("...,ij->...ij", term, one)
        arrangements = math.factorial(rank) / (
            math.factorial(rank - 2 * d) * math.factorial(d) * 2**d
        )
        weight = (-1) ** d * double_factorial(2 * rank - 2 * d - 1) / double_factorial(2 * rank - 1)
        result = result + weight * arrangements * symmetrised(term, rank)
        if rank - 2 * d >= 2:
            trace = trace.diagonal(dim1=-2, dim2=-1).sum(-1)
    return result


@cache
def product_table(l1, l2, l3):
    """X × Y = Σ_ab table[c, a, b] X_a Y_b over the entries of full tensors, float64."""
    x = torch.eye(3**l1, dtype=torch.float64).reshape(-1, 1, *[3] * l1)
    y = torch.eye(3**l2, dtype=torch.float64).reshape(1, -1, *[3] * l2)
    k, odd = divmod(l1 + l2 - l3, 2)
    inner = "cdefghij"[:k]
    a, b = "klmnopqr"[: l1 - k - odd], "stuvwxyz"[: l2 - k - odd]
    double, factorial = double_factorial, math.factorial
    top = factorial(l1) * factorial(l2) * double(2 * l3 - 1)
    if odd:
        epsilon = torch.tensor(
            [
                [[(i - j) * (j - k) * (k - i) / 2 for k in range(3)] for j in range(3)]
                for i in range(3)
            ],
            dtype=torch.float64,
        )
        joined = torch.einsum(
            f"PQW,ABP{inner}{a},ABQ{inner}{b}->AB{a}{b}W",
            epsilon,
            x.expand(-1, y.shape[1], *[3] * l1),
            y.expand(x.shape[0], -1, *[3] * l2),
        )
        bottom = double(2 * len(a) + 1) * double(2 * len(b) + 1) * double(2 * k + 1)
        weight = 2 * l3 * top / (bottom * factorial(len(a) + len(b) + k + 2))
    else:
        joined = torch.einsum(
            f"AB{inner}{a},AB{inner}{b}->AB{a}{b}",
            x.expand(-1, y.shape[1], *[3] * l1),
            y.expand(x.shape[0], -1, *[3] * l2),
        )
        bottom = double(2 * len(a) - 1) * double(2 * len(b) - 1) * double(2 * k - 1)
        weight = top / (bottom * factorial(len(a) + len(b) + k))
    entries = weight * stf(joined, l3).reshape(3**l1, 3**l2, 3**l3)
    return entries.permute(2, 0, 1).contiguous()


def polyadic(unit, rank):
    """D_l(n) = (2l−1)!!/l! STF(n…n), (e, 3^l)."""
    power = torch.ones_like(unit[:, 0])
    for _ in range(rank):
        power = torch.einsum("e...,ei->e...i", power, unit)
    weight = double_factorial(2 * rank - 1) / math.factorial(rank)
    return weight * stf(power, rank).reshape(len(unit), -1)


def paths(settings, max_first, max_out):
    """(l₁, l₂, l₃): l₃ outermost, then l₁, then l₂."""
    level = settings.max_rank if settings.level is None else settings.level
    allowed = {
        "full": lambda l1, l2, l3: True,
        "lite": lambda l1, l2, l3: l3 == abs(l1 - l2),
        "camp": lambda l1, l2, l3: l3 == l2 - l1 and l1 <= l2,
        "level": lambda l1, l2, l3: l1 + l2 <= level or l3 == 0,
        "level2": lambda l1, l2, l3: l1 + l2 + l3 <= level or l3 == 0,
    }[settings.paths]
    return [
        (l1, l2, l3)
        for l3 in range(max_out + 1)
        for l1 in range(max_first + 1)
        for l2 in range(settings.max_rank + 1)
        if abs(l1 - l2) <= l3 <= l1 + l2
        and allowed(l1, l2, l3)
        and not (settings.polar_only and (l1 + l2 + l3) % 2)
    ]


def cutoff_function(x):
    return 1 - 28 * x**6 + 48 * x**7 - 21 * x**8


def radial_functions(settings, radial, lengths):
    """R of all paths (e, paths, u), with the cutoff function where it belongs."""
    x = lengths[:, None] / settings.cutoff
    if settings.radial_basis == "bessel":
        k = torch.arange(1, settings.radial_degree + 1, dtype=x.dtype)
        value = math.sqrt(2 / settings.cutoff) * torch.sin(k * math.pi * x) / lengths[:, None]
    else:
        # Not 1, where arccos has no derivative.
        angle = torch.arccos(x.clamp(max=1 - 1e-7))
        value = torch.cos(angle * torch.arange(settings.radial_degree + 1, dtype=x.dtype))
    if settings.cutoff_on == "basis":
        value = value * cutoff_function(x)
    for linear in radial.hidden:
        value = silu(value @ linear.weight.T + linear.bias)
    result = torch.einsum("eh,phu->epu", value, radial.weight) + radial.bias[:, 0]
    return result if settings.cutoff_on == "basis" else result * cutoff_function(x)[:, :, None]


def mixed(module, features, species):
    """A channel map of any kind; weights are stored as (in, out)."""
    result = []
    for rank, x in enumerate(features):
        if hasattr(module, "weights"):
            y = torch.einsum("nuc,nuv->nvc", x, module.weights[rank][species])
        else:
            y = torch.einsum("nuc,uv->nvc", x, module.weight[rank])
        if hasattr(module, "factors"):
            y = y * module.factors[species, rank][:, None, None]
        if rank == 0:
            y = y + (module.bias[species] if module.bias.ndim == 2 else module.bias)[..., None]
        result.append(y)
    return result


def table(path, like):
    return product_table(*path).to(like)


def atomic_moments(settings, atomic, features, edges):
    """N̄^{−1/2} Σ_j Σ_paths w R [x_{l₁} × D_{l₂}]_{l₃}."""
    centre, neighbour, vectors = edges
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    unit = vectors / lengths[:, None]
    directions = [polyadic(unit, rank) for rank in range(settings.max_rank + 1)]
    radial = radial_functions(settings, atomic.radial, lengths)
    n, channels = features[0].shape[:2]
    moments = [features[0].new_zeros(n, channels, 3**rank) for rank in range(settings.max_rank + 1)]
    count = [0] * len(moments)
    for k, path in enumerate(paths(settings, len(features) - 1, settings.max_rank)):
        l1, l2, l3 = path
        of_edge = torch.einsum("cab,eb->eca", table(path, unit), directions[l2])
        product = torch.einsum("eca,eua->euc", of_edge, features[l1][neighbour])
        weight = atomic.path_weights[l3][count[l3]]
        moments[l3] = moments[l3].index_add(
            0, centre, product * (radial[:, k] * weight)[:, :, None]
        )
        count[l3] += 1
    return [moment / math.sqrt(settings.average_neighbours) for moment in moments]


def messages(settings, hyper, moments, out_rank):
    """Σ_d c H⁽ᵈ⁾, H⁽ᵈ⁾ = Σ_paths k [H⁽ᵈ⁻¹⁾ × M]."""
    if settings.max_degree == 1:
        return moments[: out_rank + 1]
    c = hyper.degree_weights
    ranks = range(out_rank + 1)
    total = [c[rank, 0][:, None] * moments[rank] for rank in ranks]
    power = moments
    for d in range(2, settings.max_degree + 1):
        highest = out_rank if d == settings.max_degree else settings.max_rank
        new = [torch.zeros_like(moment) for moment in moments[: highest + 1]]
        count = [0] * len(new)
        for path in paths(settings, settings.max_rank, highest):
            l1, l2, l3 = path
            of_atom = torch.einsum("cab,nub->nuca", table(path, moments[0]), moments[l2])
            product = torch.einsum("nuca,nua->nuc", of_atom, power[l1])
            new[l3] = new[l3] + product * hyper.path_weights[d - 2][l3][count[l3]][:, None]
            count[l3] += 1
        power = new
        total = [total[rank] + c[rank, d - 1][:, None] * power[rank] for rank in ranks]
    return total


def features_of_layers(net, species, edges, out_rank):
    """Features after every layer: for each rank (n, u, 3^l)."""
    settings = net.settings
    features, found = [net.embedding[species][:, :, None]], []
    for t, layer in enumerate(net.layers):
        highest = out_rank if t == len(net.layers) - 1 else settings.max_rank
        x = features if not settings.input_map else mixed(layer.input_map, features, species)
        moments = atomic_moments(settings, layer.atomic, x, edges)
        moments = mixed(layer.moment_map, moments, species)
        new = messages(settings, layer.hyper, moments, highest)
        if settings.message_map:
            new = mixed(layer.message_map, new, species)
        if settings.residual != "none":
            kept = features[: highest + 1]
            if settings.residual != "plain":
                kept = mixed(layer.residual_map, kept, species)
            for rank, old in enumerate(kept):
                new[rank] = new[rank] + old
        features = new
        found.append(features)
    return found


def readout(module, scalars):
    value = module.mlp(scalars[-1][:, :, 0])
    for linear, scalar in zip(module.linear, scalars[:-1], strict=True):
        value = value + linear(scalar[:, :, 0])
    return value


def repulsion(module, numbers, edges):
    """½ Σ_j ZBL of every edge, (n,) eV."""
    centre, neighbour, vectors = edges
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    z, radii = numbers.to(vectors), torch.tensor(covalent_radii)[numbers].to(vectors)
    zi, zj, reach = z[centre], z[neighbour], radii[centre] + radii[neighbour]
    power = softplus(module.power)
    x = lengths * (zi**power + zj**power) / softplus(module.length)
    screened = (
        0.18175 * torch.exp(-3.19980 * x)
        + 0.50986 * torch.exp(-0.94229 * x)
        + 0.28022 * torch.exp(-0.40290 * x)
        + 0.02817 * torch.exp(-0.20162 * x)
    )
    if module.smooth:
        reach = reach.clamp(max=module.cutoff)
        cut = cutoff_function(lengths / reach) * (lengths < reach)
    else:
        cut = cutoff_function(lengths / (6 * reach)) * (lengths <= reach)
    pairs = 0.5 * 14.3996 * zi * zj / lengths * screened * cut
    return torch.zeros_like(z).index_add(0, centre, pairs)


def axial_products(module, features):
    """Axial tensors from odd products of polar ones; of rank 0, an axial one on a polar one."""
    x = [torch.einsum("nuc,uv->nvc", f, w) for f, w in zip(features, module.first, strict=True)]
    y = [torch.einsum("nuc,uv->nvc", f, w) for f, w in zip(features, module.second, strict=True)]
    result = [torch.zeros_like(f) for f in features]
    for l3 in range(1, len(features)):
        pairs = [
            (l1, l2)
            for l1 in range(len(features))
            for l2 in range(len(features))
            if abs(l1 - l2) <= l3 <= l1 + l2 and (l1 + l2 + l3) % 2
        ]
        for (l1, l2), weight in zip(pairs, module.path_weights[l3], strict=True):
            product = torch.einsum("cab,nua,nub->nuc", table((l1, l2, l3), x[0]), x[l1], y[l2])
            result[l3] = result[l3] + product * weight[:, None]
        result[0] = result[0] + (result[l3] * features[l3]).sum(-1, keepdim=True)
    return result


def head_parts(head, features, species):
    """Natural parts {l: (n, n_l, 3^l)}."""
    last = list(features[-1])
    if head.norm is not None:
        last[0] = last[0] - last[0].mean(1, keepdim=True)
        for rank, x in enumerate(last):
            square = (x.square().sum(2, keepdim=True) / 3**rank).mean(1, keepdim=True)
            last[rank] = x / torch.sqrt(square + 1e-5) * head.norm.weight[rank][:, None]
        last[0] = last[0] + head.norm.bias[:, None]
    polar = [*features[:-1], last]
    parts = {}
    for rank in head.signature:
        if rank == 0 and rank not in head.axial:
            parts[0] = readout(head.scalars, [layer[0] for layer in polar])
            if head.bias is not None:
                parts[0] = parts[0] + head.bias[species][:, None]
            parts[0] = parts[0][:, :, None]
            continue
        read = [axial_products(head.axial_products, last)] if rank in head.axial else polar
        parts[rank] = sum(
            torch.einsum("nuc,up->npc", layer[rank], weight)
            for layer, weight in zip(read, head.weights[str(rank)], strict=True)
        )
    return parts


def values(net, numbers, known_species, edges):
    """Energies (n,) with and without repulsion, and the natural parts of every head.

    :param numbers: (n,) atomic numbers.
    :param edges: centres, neighbours and vectors (e, 3) in Å.
    """
    species = torch.searchsorted(torch.tensor(known_species), numbers)
    out_rank = max((rank for head in net.heads for rank in head.signature), default=0)
    features = features_of_layers(net, species, edges, out_rank)
    result = {}
    if net.energy is not None:
        result["energy"] = readout(net.energy, [layer[0] for layer in features])[:, 0]
    if net.repulsion is not None:
        result["repulsion"] = repulsion(net.repulsion, numbers, edges)
    for name, head in zip(net.tensors, net.heads, strict=True):
        result[name] = head_parts(head, features[-net.read_layers :], species)
    return result
