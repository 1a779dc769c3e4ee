// The functions of readout.cpp, and what they read.

#pragma once

#include "team.hpp"

using Real = REAL;

// Linear layers from widths[k] to widths[k + 1], the last of which is 1.
struct Readout {
    int64_t layers, hidden, widest;  // hidden: sum of all widths but the first and the last
    const int64_t *widths;
    const Real *weights;  // (in, out) of each layer, one after another
    const Real *biases;
};

extern "C" Function camp_readout, camp_readout_backward;
