// What the functions of decays.cpp read, and their names.

#pragma once

#include "edge.hpp"
#include "team.hpp"

// Row-major arrays of `width` neighbour slots for each atom.
struct Decays {
    int64_t width;
    Grid grid;
    int64_t blocks;
    const int64_t *neighbours;         // (atoms, width)
    const bool *mask;                  // (atoms, width)
    const Real *vectors;               // (atoms, width, 3)
    const Real *cut;                   // f: (intervals, COEFFICIENTS)
    const Vector *decays, *prefactors; // rho and g q: (blocks, degrees)
};

extern "C" Function cace_decays, cace_decays_backward;
