// A few rows times a packed matrix, float32 sums, and what is done with them while they are in registers.
//
// Weights [columns, terms] are packed in panels of 16 columns: [columns/16][terms/pair][16][pair]. Rows are
// read in place. A tile of up to 6 rows by 64 columns keeps 24 of the 32 vector registers as sums.

#pragma once

#include "simd.h"

enum class Then { store, add, gated, gated_gelu };

inline bool is_gated(Then then) { return then == Then::gated || then == Then::gated_gelu; }

// One tile: `steps` is terms/pair, `panel` the distance between panels in values. `store` writes the sums and
// `add` adds them to `out`; `gated` takes panels as pairs of gate and up and writes silu(gate) * up to `inner`,
// `gated_gelu` gelu(gate) * up.
template <class Kind, int rows, int panels>
inline void tile(const typename Kind::Value* in, int64_t in_stride, const typename Kind::Value* weights,
                 int64_t panel, int64_t steps, Then then, float* out, typename Kind::Value* inner,
                 int64_t out_stride) {
    __m512 sums[rows][panels];
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row)
#pragma GCC unroll 8
        for (int part = 0; part < panels; ++part) sums[row][part] = _mm512_setzero_ps();
    for (int64_t step = 0; step < steps; ++step) {
        typename Kind::Vector columns[panels];
#pragma GCC unroll 8
        for (int part = 0; part < panels; ++part) {
            columns[part] = Kind::load(weights + part * panel + step * lanes * Kind::pair);
        }
#pragma GCC unroll 8
        for (int row = 0; row < rows; ++row) {
            const auto term = Kind::broadcast(in + row * in_stride + step * Kind::pair);
#pragma GCC unroll 8
            for (int part = 0; part < panels; ++part) {
                sums[row][part] = Kind::madd(sums[row][part], columns[part], term);
            }
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row)
#pragma GCC unroll 8
        for (int part = 0; part < panels; ++part) {
            if (is_gated(then)) {
                if constexpr (panels > 1) {
                    if (part % 2 == 0) {
                        const __m512 gate = sums[row][part];
                        const __m512 activated = then == Then::gated ? silu(gate) : gelu(gate);
                        const __m512 value = _mm512_mul_ps(activated, sums[row][(part + 1) % panels]);
                        Kind::store(inner + row * out_stride + part / 2 * lanes, value);
                    }
                }
                continue;
            }
            float* to = out + row * out_stride + part * lanes;
            const __m512 before = then == Then::add ? _mm512_loadu_ps(to) : _mm512_setzero_ps();
            _mm512_storeu_ps(to, _mm512_add_ps(before, sums[row][part]));
        }
}

template <class Kind, int panels>
void column_strip(int64_t rows, const typename Kind::Value* in, int64_t in_stride,
                  const typename Kind::Value* weights, int64_t panel, int64_t steps, Then then, float* out,
                  typename Kind::Value* inner, int64_t out_stride) {
    for (int64_t done = 0; done < rows;) {
        const int64_t left = rows - done;
        // Two tiles of nearly equal height at the end, instead of a full one and a sliver.
        const int64_t take = left >= 12 ? 6 : left > 6 ? (left + 1) / 2 : left;
        const auto* from = in + done * in_stride;
        float* to = is_gated(then) ? nullptr : out + done * out_stride;
        auto* to_inner = is_gated(then) ? inner + done * out_stride : nullptr;
        auto run = [&](auto* function) {
            function(from, in_stride, weights, panel, steps, then, to, to_inner, out_stride);
        };
        switch (take) {
            case 1: run(&tile<Kind, 1, panels>); break;
            case 2: run(&tile<Kind, 2, panels>); break;
            case 3: run(&tile<Kind, 3, panels>); break;
            case 4: run(&tile<Kind, 4, panels>); break;
            case 5: run(&tile<Kind, 5, panels>); break;
            default: run(&tile<Kind, 6, panels>); break;
        }
        done += take;
    }
}

// rows [rows, terms] times packed weights of `panels` panels; see `tile` for what `then` does with the result.
template <class Kind>
void product(int64_t rows, int64_t terms, int64_t panels, const typename Kind::Value* in, int64_t in_stride,
             const void* packed, Then then, float* out, typename Kind::Value* inner, int64_t out_stride) {
    const auto* weights = static_cast<const typename Kind::Value*>(packed);
    const int64_t panel = round_up(terms, Kind::pair) * lanes, steps = round_up(terms, Kind::pair) / Kind::pair;
    for (int64_t first = 0; first < panels;) {
        const int64_t left = panels - first;
        const int64_t column = is_gated(then) ? first / 2 * lanes : first * lanes;
        auto run = [&](auto* function) {
            function(rows, in, in_stride, weights + first * panel, panel, steps, then, out ? out + column : out,
                     inner ? inner + column : inner, out_stride);
        };
        if (left >= 4) {
            run(&column_strip<Kind, 4>);
            first += 4;
        } else if (left >= 2) {
            run(&column_strip<Kind, 2>);
            first += 2;
        } else {
            run(&column_strip<Kind, 1>);
            first += 1;
        }
    }
}
