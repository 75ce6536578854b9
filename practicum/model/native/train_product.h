// Matrix products of small blocks: float32 sums of float32 or bfloat16 factors, packed for the inner loop.
//
// bfloat16 factors are taken in pairs along the summed dimension, as the AVX512-BF16 instruction wants them; a
// `Unit` is one float32 or one such pair. A left factor is [rows][depth] units (plain row-major storage), a right
// factor is [depth][columns] units.
#pragma once

#include <new>

#include "train_vector.h"

struct Pair {
    uint32_t bits;
};

template <class T>
struct Packing;

template <>
struct Packing<float> {
    using Unit = float;
    static constexpr long step = 1;
};

template <>
struct Packing<Bfloat> {
    using Unit = Pair;
    static constexpr long step = 2;
};

// Scratch memory at cache-line boundaries; grows and keeps its size, contents are whatever was left.
template <class T>
class Buffer {
   public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    ~Buffer() { operator delete(start, std::align_val_t(64)); }
    T* take(long count) {
        if (count > size) {
            operator delete(start, std::align_val_t(64));
            start = nullptr;
            start = static_cast<T*>(operator new(count * sizeof(T), std::align_val_t(64)));
            size = count;
        }
        return start;
    }

   private:
    T* start = nullptr;
    long size = 0;
};

inline Floats add_product(const float* a, const float* b, Floats sum) {
    return fused(spread(*a), load(b), sum);
}

inline Floats add_product(const Pair* a, const Pair* b, Floats sum) {
#ifdef __AVX512BF16__
    __m512i pairs = _mm512_set1_epi32(*(const int32_t*)a);
    return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)pairs, (__m512bh)_mm512_loadu_si512(b));
#else
    Words left = a->bits - Words{}, right;
    std::memcpy(&right, b, sizeof right);
    sum = fused((Floats)(left << 16), (Floats)(right << 16), sum);
    return fused((Floats)(left & 0xffff0000u), (Floats)(right & 0xffff0000u), sum);
#endif
}

// ROWS x 16 COLUMNS results held in registers over the whole depth.
template <int ROWS, int COLUMNS, class Unit>
inline void tile(const Unit* a, long a_stride, const Unit* b, long b_stride, long depth, float* c, long c_stride,
                 bool add) {
    Floats sums[ROWS][COLUMNS];
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 4
        for (int column = 0; column < COLUMNS; ++column) {
            sums[row][column] = add ? load(c + row * c_stride + column * LANES) : Floats{};
        }
    }
    for (long at = 0; at < depth; ++at) {
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 4
            for (int column = 0; column < COLUMNS; ++column) {
                sums[row][column] =
                    add_product(a + row * a_stride + at, b + at * b_stride + column * LANES, sums[row][column]);
            }
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) {
#pragma GCC unroll 4
        for (int column = 0; column < COLUMNS; ++column) {
            store(c + row * c_stride + column * LANES, sums[row][column]);
        }
    }
}

template <int ROWS, class Unit>
inline void row_of_tiles(const Unit* a, long a_stride, const Unit* b, long b_stride, long columns, long depth,
                         float* c, long c_stride, bool add) {
    long at = 0;
    for (; at + 4 * LANES <= columns; at += 4 * LANES) {
        tile<ROWS, 4>(a, a_stride, b + at, b_stride, depth, c + at, c_stride, add);
    }
    switch ((columns - at) / LANES) {
        case 3: tile<ROWS, 3>(a, a_stride, b + at, b_stride, depth, c + at, c_stride, add); break;
        case 2: tile<ROWS, 2>(a, a_stride, b + at, b_stride, depth, c + at, c_stride, add); break;
        case 1: tile<ROWS, 1>(a, a_stride, b + at, b_stride, depth, c + at, c_stride, add); break;
    }
}

// c[rows][columns] = (add ? c : 0) + a[rows][depth] b[depth][columns]; `columns` a multiple of 16, strides in units.
template <class Unit>
inline void product(const Unit* a, long a_stride, const Unit* b, long b_stride, long rows, long columns, long depth,
                    float* c, long c_stride, bool add = false) {
    long row = 0;
    for (; row + 6 <= rows; row += 6) {
        row_of_tiles<6>(a + row * a_stride, a_stride, b, b_stride, columns, depth, c + row * c_stride, c_stride, add);
    }
    a += row * a_stride;
    c += row * c_stride;
    switch (rows - row) {
        case 5: row_of_tiles<5>(a, a_stride, b, b_stride, columns, depth, c, c_stride, add); break;
        case 4: row_of_tiles<4>(a, a_stride, b, b_stride, columns, depth, c, c_stride, add); break;
        case 3: row_of_tiles<3>(a, a_stride, b, b_stride, columns, depth, c, c_stride, add); break;
        case 2: row_of_tiles<2>(a, a_stride, b, b_stride, columns, depth, c, c_stride, add); break;
        case 1: row_of_tiles<1>(a, a_stride, b, b_stride, columns, depth, c, c_stride, add); break;
    }
}

// Units of `values` [rows][columns] paired down the rows: a right factor whose depth is the rows (an even count).
inline void pair_rows(const float* values, long rows, long columns, float* target) {
    std::memcpy(target, values, rows * columns * sizeof(float));
}

inline void pair_rows(const float* values, long rows, long columns, Pair* target) {
    for (long row = 0; row < rows; row += 2) {
        for (long at = 0; at < columns; at += LANES) {
            Words upper = rounded(load(values + row * columns + at));
            Words lower = rounded(load(values + (row + 1) * columns + at));
            Words pairs = (upper >> 16) | lower;
            std::memcpy(target + row / 2 * columns + at, &pairs, sizeof pairs);
        }
    }
}

// Units of `values` [rows][columns] paired along the columns: a left factor whose depth is the columns.
template <class T>
inline void pair_columns(const float* values, long rows, long columns, T* target) {
    for (long at = 0; at < rows * columns; at += LANES) store(target + at, load(values + at));
}

// target[columns][rows] = source[rows][columns], of 4-byte units: turns a left factor into a right one and back.
template <class Unit>
inline void transpose(const Unit* source, long rows, long columns, Unit* target, long target_stride) {
    static_assert(sizeof(Unit) == 4, "units are 4 bytes");
    for (long row = 0; row < rows; row += LANES) {
        long most = row + LANES < rows ? LANES : rows - row;
        for (long column = 0; column < columns; ++column) {
            for (long lane = 0; lane < most; ++lane) {
                target[column * target_stride + row + lane] = source[(row + lane) * columns + column];
            }
        }
    }
}
