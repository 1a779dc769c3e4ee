// The messages Ar of CACE, and their derivative:
//
//   P^i_{u,l} = g q^{d(l)}_u f(r_ij) sum_j exp(-rho^{d(l)}_u r_ij) A^j_{u,l},
//
// d the degree of a monomial, f the cutoff function from a table. HIGHEST_RANK is the largest degree.
// Arrays with functions u are blocked, as those with channels in channels.hpp.

#include <algorithm>
#include <vector>

#include "decays.hpp"
#include "symmetric.hpp"

namespace {

constexpr int degrees = max_rank + 1;

// f, and its derivative with respect to the distance.
struct Cut : Place {
    Real value, slope;

    Cut(const Decays &decays, int64_t slot) : Place(decays.grid, decays.vectors + 3 * slot) {
        const Real *row = decays.cut + interval * coefficients;
        value = row[coefficients - 1], slope = 0;
        for (int power = coefficients - 2; power >= 0; --power) {
            slope = slope * t + value;
            value = value * t + row[power];
        }
        slope *= per_length;
    }
};

template <typename Function>
void for_each_slot(const Decays &decays, int64_t atom, Function function) {
    for (int64_t slot = atom * decays.width; slot < (atom + 1) * decays.width; ++slot)
        if (decays.mask[slot]) function(slot, decays.neighbours[slot]);
}

// From A to messages, both (atoms, blocks, components).
void messages(const Part &part, const Decays *decays, const Vector *basis, Vector *messages) {
    const int64_t size = decays->blocks * all_components;
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        Vector *of_atom = messages + atom * size;
        std::fill_n(of_atom, size, Vector{});
        for_each_slot(*decays, atom, [&](int64_t slot, int64_t neighbour) {
            const Cut cut(*decays, slot);
            const Vector *sent = basis + neighbour * size;
            for (int64_t block = 0; block < decays->blocks; ++block)
                repeat<degrees>([&](int degree) {
                    const Vector reach =
                        exponential(decays->decays[block * degrees + degree] * -cut.length) *
                        cut.value;
                    for (int c = begin(degree); c < begin(degree + 1); ++c)
                        of_atom[block * all_components + c] +=
                            reach * sent[block * all_components + c];
                });
        });
        for (int64_t block = 0; block < decays->blocks; ++block)
            for (int degree = 0; degree < degrees; ++degree)
                for (int c = begin(degree); c < begin(degree + 1); ++c)
                    of_atom[block * all_components + c] *=
                        decays->prefactors[block * degrees + degree];
    }
}

// From the derivative with respect to the messages: adds to that with respect to edge vectors
// (atoms, width, 3), and writes to copies that with respect to A.
void messages_backward(const Part &part, const Decays *decays, const Vector *basis,
                       const Vector *of_messages, Real *of_vectors, const Copies<Vector> *copies) {
    const int64_t size = decays->blocks * all_components;
    std::fill_n(copies->own(part), copies->stride, Vector{});
    std::vector<Vector> outer(size);
    for (int64_t atom = part.first; atom < part.last; ++atom) {
        for (int64_t block = 0; block < decays->blocks; ++block)
            for (int degree = 0; degree < degrees; ++degree)
                for (int c = begin(degree); c < begin(degree + 1); ++c) {
                    const int64_t place = block * all_components + c;
                    outer[place] = of_messages[atom * size + place] *
                                   decays->prefactors[block * degrees + degree];
                }
        for_each_slot(*decays, atom, [&](int64_t slot, int64_t neighbour) {
            const Cut cut(*decays, slot);
            const Vector *sent = basis + neighbour * size;
            Vector *of_sent = copies->own(part) + neighbour * size, of_length{};
            for (int64_t block = 0; block < decays->blocks; ++block)
                repeat<degrees>([&](int degree) {
                    const Vector decay = decays->decays[block * degrees + degree];
                    const Vector reach = exponential(decay * -cut.length);
                    Vector sum{};
                    for (int c = begin(degree); c < begin(degree + 1); ++c) {
                        const int64_t place = block * all_components + c;
                        sum += outer[place] * sent[place];
                        of_sent[place] += outer[place] * (reach * cut.value);
                    }
                    of_length += sum * reach * (cut.slope - decay * cut.value);
                });
            const Real along = total(of_length) / cut.length;
            for (int axis = 0; axis < 3; ++axis)
                of_vectors[3 * slot + axis] += along * decays->vectors[3 * slot + axis];
        });
    }
}

}  // namespace

EXPORT(cace_decays, messages)
EXPORT(cace_decays_backward, messages_backward)
