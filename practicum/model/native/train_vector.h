// Sixteen float32 lanes, and bfloat16 in and out of them. GCC's vector extension: AVX-512, AVX2 or plain code.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

constexpr long LANES = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Integers __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));

struct Bfloat {
    uint16_t bits;
};

inline long round_up(long count, long step) { return (count + step - 1) / step * step; }

inline Floats spread(float value) { return value - Floats{}; }

inline Floats fused(Floats a, Floats b, Floats sum) {
#ifdef __AVX512F__
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)sum);
#else
    return a * b + sum;
#endif
}

// The nearest bfloat16, ties to even, in the upper half of each word.
inline Words rounded(Floats values) {
    Words bits = (Words)values;
    return (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
}

inline Floats load(const float* source, long count = LANES) {
    Floats values = {};
    if (count >= LANES) {
        std::memcpy(&values, source, sizeof values);
    } else {
        std::memcpy(&values, source, count * sizeof(float));
    }
    return values;
}

inline Floats load(const Bfloat* source, long count = LANES) {
    Halves halves = {};
    if (count >= LANES) {
        std::memcpy(&halves, source, sizeof halves);
    } else {
        std::memcpy(&halves, source, count * sizeof(Bfloat));
    }
    return (Floats)(__builtin_convertvector(halves, Words) << 16);
}

inline void store(float* target, Floats values, long count = LANES) {
    if (count >= LANES) {
        std::memcpy(target, &values, sizeof values);
    } else {
        std::memcpy(target, &values, count * sizeof(float));
    }
}

inline void store(Bfloat* target, Floats values, long count = LANES) {
#ifdef __AVX512BF16__
    __m256bh halves = _mm512_cvtneps_pbh((__m512)values);
#else
    Halves halves = __builtin_convertvector(rounded(values) >> 16, Halves);
#endif
    if (count >= LANES) {
        std::memcpy(target, &halves, sizeof halves);
    } else {
        std::memcpy(target, &halves, count * sizeof(Bfloat));
    }
}

inline float total(Floats values) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps((__m512)values);
#else
    float sum = 0;
    for (long lane = 0; lane < LANES; ++lane) sum += values[lane];
    return sum;
#endif
}

inline float largest(Floats values) {
#ifdef __AVX512F__
    return _mm512_reduce_max_ps((__m512)values);
#else
    float most = values[0];
    for (long lane = 1; lane < LANES; ++lane) most = values[lane] > most ? values[lane] : most;
    return most;
#endif
}

inline Floats larger(Floats a, Floats b) {
#ifdef __AVX512F__
    return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return a > b ? a : b;
#endif
}

inline Integers lanes_from(long first) {
    return (int32_t)first + Integers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

// e^x for x up to 88, within 2 units in the last place; below -87 it is 0 or as small.
// Cody & Waite's reduction x = n ln 2 + r, then the Taylor polynomial of degree 7 for |r| <= 0.35.
inline Floats exponential(Floats x) {
#ifdef __AVX512F__
    x = larger(x, spread(-104.0f));
    Floats whole = (Floats)_mm512_roundscale_ps((__m512)(x * 1.44269504f), _MM_FROUND_TO_NEAREST_INT);
#else
    x = x < -87.0f ? spread(-87.0f) : x;
    x = x > 88.0f ? spread(88.0f) : x;
    const Floats shift = spread(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
    Floats whole = (x * 1.44269504f + shift) - shift;
#endif
    Floats rest = fused(whole, spread(-0.693359375f), x);
    rest = fused(whole, spread(2.12194440e-4f), rest);
    Floats sum = spread(1.0f / 5040);
    for (float factor : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
        sum = fused(sum, rest, spread(factor));
    }
#ifdef __AVX512F__
    return (Floats)_mm512_scalef_ps((__m512)sum, (__m512)whole);
#else
    return (Floats)((Integers)sum + (__builtin_convertvector(whole, Integers) << 23));
#endif
}

// 1 / x for 0 < x < 1e38, by one step of Newton's method from the processor's estimate.
inline Floats reciprocal(Floats x) {
#ifdef __AVX512F__
    Floats estimate = (Floats)_mm512_rcp14_ps((__m512)x);
    return estimate * fused(-x, estimate, spread(2.0f));
#else
    return 1 / x;
#endif
}

// cap * tanh(x / cap), by tanh y = 1 - 2 / (exp(2 y) + 1); the bound keeps the power finite.
inline Floats soft_capped(Floats x, float cap) {
    Floats power = exponential(-larger(x * (-2 / cap), spread(-80.0f)));
    return cap * (1 - 2 * reciprocal(power + 1));
}

// Calls step(at, count) for every 16 of `width` values, then for the rest; inlined, the full ones test nothing.
template <class Step>
inline void each_vector(long width, Step step) {
    long at = 0;
    for (; at + LANES <= width; at += LANES) step(at, LANES);
    if (at < width) step(at, width - at);
}
