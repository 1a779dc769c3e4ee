// What the functions of atoms.cpp read, and their names.

#pragma once

#include "channels.hpp"
#include "products.hpp"
#include "team.hpp"

// Channel mixing of ranks 0, …, ranks − 1, for each species or for all alike, with biases on rank 0;
// no ranks: nothing.
struct ChannelMap {
    int64_t ranks, by_species;
    const Vector *matrices, *transposed;  // blocked: (species or 1, ranks, blocks, channels)
    const Vector *biases;                 // (species or 1, blocks)
};

// c_{l,d} times the tensor of rank l at `place` is part of the message.
struct Term {
    int64_t rank, place;
};

struct Layer {
    ChannelMap moments, messages, residual, following;  // following: x' from h'
    int64_t plain_residual;                             // ranks of h that are added as they are
    Products products;
    int64_t terms, in_ranks, out_ranks;
    const Term *term;
    const Vector *path_weights, *degree_weights;  // blocked: (1, blocks, products), (1, blocks, terms)
};

extern "C" Function carnet_atoms, carnet_atoms_backward;
