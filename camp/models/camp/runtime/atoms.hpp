// What the functions of atoms.cpp read, and their names.

#pragma once

#include "channels.hpp"
#include "contractions.hpp"
#include "team.hpp"

// weight · the tensor of this rank at `place` is part of the message.
struct Term {
    int64_t rank, place;
};

// Channel mixing of ranks 0, …, ranks − 1: out[u'] = sum_u in[u] W[u, u'], blocked as
// (ranks, blocks, channels u), and the same transposed.
struct Mixing {
    int64_t ranks;
    const Vector *matrices, *transposed;
};

struct Layer {
    Contractions products;
    int64_t terms, message_components, feature_components;
    const Term *term;
    const Vector *weights;  // of the terms, blocked: (1, blocks, terms)
    Mixing moments;         // A
    Mixing update, keep;    // U and R: what the next layer sums over neighbours; none in the last
    Mixing scalar_update, scalar_keep;  // the same for the scalars that the readout gets
};

extern "C" Function camp_atoms, camp_atoms_backward;
