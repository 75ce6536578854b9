// Sixteen lanes at a time: the two number types of a kernel behind one set of names, and exp.
//
// A vector of kernel values holds 16 columns of `pair` consecutive terms of a dot product: 16 floats, or 16
// pairs of bfloat16. `madd` adds each column's product with a broadcast term (or pair of terms) to a float32 sum.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

constexpr int64_t lanes = 16;

inline int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

struct Single {
    using Value = float;
    using Vector = __m512;
    static constexpr int64_t pair = 1;
    static Vector load(const Value* from) { return _mm512_loadu_ps(from); }
    static Vector broadcast(const Value* from) { return _mm512_set1_ps(*from); }
    static __m512 madd(__m512 sum, Vector columns, Vector term) { return _mm512_fmadd_ps(columns, term, sum); }
    static void store(Value* to, __m512 values) { _mm512_storeu_ps(to, values); }
    static Value narrow(float value) { return value; }
    static float widen(Value value) { return value; }
};

#ifdef __AVX512BF16__
struct Brain {
    using Value = uint16_t;
    using Vector = __m512bh;
    static constexpr int64_t pair = 2;
    static Vector load(const Value* from) { return (__m512bh)_mm512_loadu_si512(from); }
    static Vector broadcast(const Value* from) {
        int32_t two;
        std::memcpy(&two, from, sizeof two);
        return (__m512bh)_mm512_set1_epi32(two);
    }
    static __m512 madd(__m512 sum, Vector columns, Vector term) { return _mm512_dpbf16_ps(sum, columns, term); }
    static void store(Value* to, __m512 values) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(values));
    }
    static Value narrow(float value) {  // to nearest, ties to even
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
        return static_cast<Value>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
    static float widen(Value value) {
        uint32_t bits = static_cast<uint32_t>(value) << 16;
        float wide;
        std::memcpy(&wide, &bits, sizeof wide);
        return wide;
    }
};
#endif

// exp to 2e-7 relative: 2^n * e^r with |r| <= ln(2)/2 and the Taylor polynomial of degree 7, whose remainder
// r^8/8! is 5e-9. Below -87 the result goes to 0, at -inf it is 0; NaN stays NaN.
inline __m512 exponential(__m512 x) {
    const __m512 bounded = _mm512_max_ps(_mm512_set1_ps(-110.0f), _mm512_min_ps(_mm512_set1_ps(89.0f), x));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(bounded, _mm512_set1_ps(1.44269504f)), 0);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), bounded);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 sum = _mm512_set1_ps(1.0f / 5040);
    for (float term : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
        sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(term));
    }
    return _mm512_scalef_ps(sum, n);
}

// x / (1 + exp(-x)) (Elfwing et al. 2018, arXiv 1702.03118).
inline __m512 silu(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f);
    return _mm512_div_ps(x, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// x times the normal distribution's share below x, by its approximation with tanh (Hendrycks & Gimpel 2016, arXiv
// 1606.08415): with u = sqrt(2 / pi) (x + 0.044715 x^3), 0.5 x (1 + tanh u) = x / (1 + exp(-2 u)).
inline __m512 gelu(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f), square = _mm512_mul_ps(x, x);
    const __m512 inner = _mm512_mul_ps(x, _mm512_fmadd_ps(square, _mm512_set1_ps(0.044715f), one));
    return _mm512_div_ps(x, _mm512_add_ps(one, exponential(_mm512_mul_ps(inner, _mm512_set1_ps(-1.5957691f)))));
}

// cap * tanh(x / cap), by tanh y = 1 - 2 / (exp(2 y) + 1).
inline __m512 soft_capped(__m512 x, float cap) {
    const __m512 one = _mm512_set1_ps(1.0f), two = _mm512_set1_ps(2.0f);
    const __m512 power = exponential(_mm512_mul_ps(x, _mm512_set1_ps(2.0f / cap)));
    return _mm512_mul_ps(_mm512_set1_ps(cap), _mm512_sub_ps(one, _mm512_div_ps(two, _mm512_add_ps(power, one))));
}
