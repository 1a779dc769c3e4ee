"""CACE written out literally: every edge has its own basis functions, every product its own term.

The oracle for :class:`camp.models.cace.network.Cace`: it takes the same parameters, and nothing
else from it. As in the published program, the edge basis (e, M, L, C) is formed for all edges and
scattered to the receivers, and messages scatter it once more; **d** points from sender to receiver.
"""

import math
from itertools import product

import torch
from torch.nn.functional import silu


def edge_list(mask, neighbours, vectors):
    """Receivers, senders and vectors d of all edges of rows as in camp.graph.edges.Edges."""
    receiver, slot = torch.nonzero(mask, as_tuple=True)
    return receiver, neighbours[receiver, slot], -vectors[receiver, slot]


def monomial_list(max_l):
    """Exponents degree by degree, lx descending, then ly descending."""
    return [
        (a, b, degree - a - b)
        for degree in range(max_l + 1)
        for a in range(degree, -1, -1)
        for b in range(degree - a, -1, -1)
    ]


def of_degree(degree):
    return [u for u in monomial_list(degree) if sum(u) == degree]


def multinomial(u):
    return math.factorial(sum(u)) // math.prod(map(math.factorial, u))


def plus(*exponents):
    return tuple(map(sum, zip(*exponents, strict=True)))


def cutoff_function(settings, r):
    x = r / settings.cutoff
    match settings.cutoff_function:
        case "polynomial":
            p = settings.cutoff_order
            f = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1)
            f = f - p * (p + 1) / 2 * x ** (p + 2)
        case "cosine":
            f = (torch.cos(math.pi * x) + 1) / 2
        case "mollifier":
            f = torch.exp(1 - 1 / (1 - x**2))
    return torch.where(x < 1, f, torch.zeros_like(f))


def edge_basis(network, species, edges):
    """χ of section 2 for all edges, (e, M, L, C)."""
    settings = network.settings
    receiver, sender, d = edges
    r = torch.linalg.vector_norm(d, dim=1)
    unit = d / (r + settings.direction_epsilon)[:, None]
    radial = network.edge_basis.radial
    r_m = radial.prefactor * torch.sin(radial.frequencies * r[:, None]) / r[:, None]
    r_m = r_m * cutoff_function(settings, r)[:, None]
    angular = torch.stack(
        [
            unit[:, 0] ** a * unit[:, 1] ** b * unit[:, 2] ** c
            for a, b, c in monomial_list(settings.max_l)
        ],
        dim=1,
    )
    of_receiver = network.sender if network.receiver is None else network.receiver
    theta = network.sender[species[sender]][:, :, None] * of_receiver[species[receiver]][:, None, :]
    return r_m[:, :, None, None] * angular[:, None, :, None] * theta.flatten(1)[:, None, None, :]


def scatter(edge_values, receiver, n):
    total = torch.zeros(n, *edge_values.shape[1:], dtype=edge_values.dtype)
    return total.index_add(0, receiver, edge_values)


def mix(network, raw):
    """W^l of section 2: (n, M, L, C) → (n, N, L, C)."""
    columns = []
    for k, u in enumerate(monomial_list(network.settings.max_l)):
        weight = network.mixing.weights[sum(u)].flatten(2)
        columns.append(torch.einsum("imc,mnc->inc", raw[:, :, k], weight))
    return torch.stack(columns, dim=2)


def terms(*degrees):
    """All ordered choices of one monomial of each degree, after the product of multinomials."""
    for exponents in product(*map(of_degree, degrees)):
        yield math.prod(map(multinomial, exponents)), *exponents


def features(settings, a):
    """B of section 3, (n, N, S, C)."""
    x = {u: a[:, :, k] for k, u in enumerate(monomial_list(settings.max_l))}
    degrees, max_l = range(1, settings.max_l + 1), settings.max_l
    found = [x[0, 0, 0]]
    if settings.max_nu >= 2:
        found += [sum(m * x[u] ** 2 for m, u in terms(degree)) for degree in degrees]
    if settings.max_nu >= 3 and not settings.triples_of_pairs:
        found += [
            sum(m * x[u] * x[v] * x[plus(u, v)] for m, u, v in terms(l1, l2))
            for l1, l2 in product(degrees, degrees)
            if l1 <= l2 and l1 + l2 <= max_l
        ]
    if settings.max_nu >= 3 and settings.triples_of_pairs:
        found += [
            sum(m * x[plus(u, v)] * x[plus(u, w)] * x[plus(v, w)] for m, u, v, w in terms(p, q, r))
            for p, q, r in product(degrees, degrees, range(max_l + 1))
            if p >= q >= r and p + q <= max_l
        ]
    if settings.max_nu >= 4:
        found += [
            sum(m * x[u] * x[v] * x[plus(u, w)] * x[plus(v, w)] for m, u, v, w in terms(l1, l2, l3))
            for l1, l2, l3 in product(degrees, repeat=3)
            if l1 < l2 and l2 + l3 <= max_l
        ]
    return torch.stack(found, dim=2)


def dense(layers, x):
    """Linear layers with SiLU between them."""
    linear = [layer for layer in layers if hasattr(layer, "weight")]
    for k, layer in enumerate(linear):
        x = (silu(x) if k else x) @ layer.weight.T + layer.bias
    return x


def message(network, message_pass, a, b, basis, edges):
    """A of the next layer, section 4."""
    settings = network.settings
    receiver, sender, d = edges
    n, functions, _, channels = a.shape
    r = torch.linalg.vector_norm(d, dim=1)
    f = cutoff_function(settings, r)
    degree = [sum(u) for u in monomial_list(settings.max_l)]
    g = settings.message_norm or 1 / math.sqrt(settings.average_neighbours)
    total = torch.zeros_like(a)
    if message_pass.memory is not None:
        kappa = message_pass.memory.view(-1, functions, channels)
        total = total + kappa[degree].transpose(0, 1) * a
    if message_pass.ar is not None:
        q = message_pass.ar.prefactors.view(-1, functions, channels)[degree].transpose(0, 1)
        rho = message_pass.ar.decays.view(-1, functions, channels)[degree].transpose(0, 1)
        factor = q * torch.exp(-r[:, None, None, None] * rho) * f[:, None, None, None]
        total = total + g * scatter(factor * a[sender], receiver, n)
    if message_pass.bchi is not None:
        # The network takes the features as (feature, radial function, channel).
        y = dense(message_pass.bchi.network, b.transpose(1, 2).flatten(1))
        own_degrees = 1 if settings.shared_degrees else settings.max_l + 1
        y = y.view(n, own_degrees, -1)
        y = y[:, degree] if own_degrees > 1 else y
        total = total + g * mix(network, scatter(basis * y[sender][:, None], receiver, n))
    return total


def layers(network, species, edges):
    """A (n, N, L, C) and B (n, N, S, C) of all layers, sections 2 to 4."""
    basis = edge_basis(network, species, edges)
    a = mix(network, scatter(basis, edges[0], len(species)))
    found = [(a, features(network.settings, a))]
    for message_pass in network.passes:
        a = message(network, message_pass, *found[-1], basis, edges)
        found.append((a, features(network.settings, a)))
    return found


def atomic_energies(network, species, edges):
    """Energies of atoms (n,) in network units, section 5."""
    # The readout takes them as (layer, feature, radial function, channel).
    x = torch.cat([b.transpose(1, 2).flatten(1) for _, b in layers(network, species, edges)], 1)
    energy = dense(network.readout.mlp, x)
    if network.readout.linear is not None:
        energy = energy + network.readout.linear(x)
    return energy[:, 0]
