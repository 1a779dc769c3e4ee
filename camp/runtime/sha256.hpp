// SHA-256 (FIPS 180-4) of some bytes, as hexadecimal digits.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace camp {

class Sha256 {
  public:
    Sha256() {
        // The first 32 bits of the fractional parts of roots of the first primes.
        int count = 0;
        for (int n = 2; count < 64; ++n) {
            bool prime = true;
            for (int d = 2; d * d <= n; ++d) prime = prime && n % d;
            if (!prime) continue;
            if (count < 8) state_[count] = fraction(std::sqrt(static_cast<long double>(n)));
            round_[count++] = fraction(std::cbrt(static_cast<long double>(n)));
        }
    }

    std::string digits(const char *bytes, size_t size) {
        const auto *data = reinterpret_cast<const unsigned char *>(bytes);
        size_t place = 0;
        for (; place + 64 <= size; place += 64) add(data + place);
        unsigned char last[128]{};
        const size_t rest = size - place, total = rest < 56 ? 64 : 128;
        if (rest) std::memcpy(last, data + place, rest);
        last[rest] = 0x80;
        for (int k = 0; k < 8; ++k)
            last[total - 1 - k] = static_cast<unsigned char>(8 * uint64_t(size) >> 8 * k);
        for (size_t block = 0; block < total; block += 64) add(last + block);
        std::string result;
        for (uint32_t word : state_)
            for (int shift = 28; shift >= 0; shift -= 4)
                result += "0123456789abcdef"[word >> shift & 15];
        return result;
    }

  private:
    uint32_t state_[8], round_[64];

    static uint32_t fraction(long double root) {
        return static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
    }
    static uint32_t turned(uint32_t word, int by) { return word >> by | word << (32 - by); }

    void add(const unsigned char *block) {
        uint32_t w[64];
        for (int k = 0; k < 16; ++k)
            w[k] = uint32_t(block[4 * k]) << 24 | uint32_t(block[4 * k + 1]) << 16 |
                   uint32_t(block[4 * k + 2]) << 8 | block[4 * k + 3];
        for (int k = 16; k < 64; ++k)
            w[k] = w[k - 16] + w[k - 7] +
                   (turned(w[k - 15], 7) ^ turned(w[k - 15], 18) ^ w[k - 15] >> 3) +
                   (turned(w[k - 2], 17) ^ turned(w[k - 2], 19) ^ w[k - 2] >> 10);
        uint32_t v[8];
        std::memcpy(v, state_, sizeof v);
        for (int k = 0; k < 64; ++k) {
            const uint32_t one = v[7] + (turned(v[4], 6) ^ turned(v[4], 11) ^ turned(v[4], 25)) +
                                 ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_[k] + w[k];
            const uint32_t two = (turned(v[0], 2) ^ turned(v[0], 13) ^ turned(v[0], 22)) +
                                 ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            std::memmove(v + 1, v, 7 * sizeof *v);
            v[4] += one;
            v[0] = one + two;
        }
        for (int k = 0; k < 8; ++k) state_[k] += v[k];
    }
};

inline std::string sha256(const char *bytes, size_t size) { return Sha256().digits(bytes, size); }

}  // namespace camp
