// How the functions of this folder are called: each by all threads of a team, for parts of the
// atoms of their own.

#pragma once

#include <cstdint>
#include <utility>

// What one thread works on: its number, and the atoms first, …, last − 1.
struct Part {
    int64_t number, first, last;
};

// What several threads add to the same places, each to a copy of its own, a stride apart.
template <typename Value>
struct Copies {
    int64_t count, stride;
    Value *values;

    Value *own(const Part &part) const { return values + part.number * stride; }
};

using Function = void(const Part &, void *const *);

namespace {

template <typename... Arguments, std::size_t... k>
void unpack(void (*function)(const Part &, Arguments *...), const Part &part,
            void *const *addresses, std::index_sequence<k...>) {
    function(part, static_cast<Arguments *>(addresses[k])...);
}

// Call a function with addresses that come as a list.
template <typename... Arguments>
void unpack(void (*function)(const Part &, Arguments *...), const Part &part,
            void *const *addresses) {
    unpack(function, part, addresses, std::index_sequence_for<Arguments...>{});
}

// All by one thread, for atoms 0, …, atoms − 1.
template <typename... Arguments>
void call(Function *function, int64_t atoms, Arguments *...arguments) {
    const void *addresses[] = {arguments...};
    function(Part{0, 0, atoms}, const_cast<void *const *>(addresses));
}

}  // namespace

// Makes a function known to Python, as a Function.
#define EXPORT(name, function)                                         \
    extern "C" void name(const Part &part, void *const *addresses) {   \
        unpack(function, part, addresses);                             \
    }
