// What the functions of atoms.cpp read, and their names.

#pragma once

#include "contractions.hpp"
#include "mlp.hpp"
#include "team.hpp"

struct Layer {
    int64_t embedding, raw, mixed;  // numbers of a and b, m, n
    int64_t received;               // of q: as many as there are a, or pairs (a, b); 0: no sums
    Contractions products;
    int64_t features;       // of k
    const int64_t *places;  // where the products have them
    const Real *mixing;     // W: (degrees, u, m)
    const Real *receiver;   // theta^R: (species, b)
    const Real *memory;     // kappa: (degrees, u), or null
    Matrix heads;           // from B to what is read and to the first layer of H
    int64_t read;           // of the outputs: z
    int64_t first;          // whether z begins here
};

// H, and what is sent: y of every kind for all channels or for each, times theta^S.
struct Message {
    Mlp network;
    int64_t kinds, channels, embedding;
    const Real *sender;  // theta^S: (species, a)

    int64_t sent() const { return channels == 1 ? embedding : channels; }
    // Which number y of a kind, and which a, make number q of what is sent.
    int64_t factor(int64_t q) const { return channels == 1 ? 0 : q; }
    int64_t of_sender(int64_t q) const { return channels == 1 ? q : q / embedding; }
};

// From z to energies: an MLP, and a linear layer beside it if there is one, whose product is first.
struct Readout {
    int64_t linear;
    double bias;  // of the linear layer
    Mlp network;

    int64_t kept() const { return linear + network.size; }
};

extern "C" Function cace_atoms, cace_atoms_backward, cace_readout, cace_readout_backward;
