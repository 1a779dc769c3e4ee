// What the functions of readout.cpp read, and their names.

#pragma once

#include "mlp.hpp"
#include "team.hpp"

struct Readout {
    Matrix first;
    Mlp others;
};

extern "C" Function camp_readout, camp_readout_backward;
