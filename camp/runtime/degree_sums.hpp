// What the functions of degree_sums.cpp read, and their names.

#pragma once

#include "edge.hpp"
#include "team.hpp"

// Row-major arrays of `width` neighbour slots for each atom.
struct Edges {
    int64_t width;
    Grid grid;
    double epsilon;             // Å: directions are vector / (length + epsilon)
    const int64_t *neighbours;  // (atoms, width)
    const bool *mask;           // (atoms, width)
    const Real *vectors;        // (atoms, width, 3)
    const Vector *table;        // (intervals, blocks, COEFFICIENTS)
    const Real *features;       // y: (atoms, KINDS, FACTORS)
};

// Names of functions compiled for some FACTORS and KINDS, such as camp_degree_sums_9_4.
#define WITH_FACTORS_(name, factors, kinds) name##_##factors##_##kinds
#define WITH_FACTORS(name, factors, kinds) WITH_FACTORS_(name, factors, kinds)
