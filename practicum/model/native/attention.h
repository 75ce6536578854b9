// Attention of one decoded token over what its row has cached: the prompt's part, shared by the rows of a group,
// and the row's own part.
//
// A part holds, for each key-value head, keys [length/16][E/pair][16][pair] (sixteen positions side by side, so
// scores need no sums across lanes), then values [length/pair][round_up(E, 16)][pair]; E is even.

#pragma once

#include <cmath>

#include "simd.h"

template <class Kind>
struct Part {
    const typename Kind::Value* keys;
    const typename Kind::Value* values;
    int64_t filled;
    int64_t unseen;  // the first positions, which are outside the window
};

template <class Kind>
inline void write_position(typename Kind::Value* keys, typename Kind::Value* values, int64_t position, int64_t width,
                           const float* key, const float* value) {
    constexpr int64_t pair = Kind::pair;
    const int64_t padded = round_up(width, lanes);
    auto* block = keys + position / lanes * lanes * width + position % lanes * pair;
    for (int64_t at = 0; at < width; at += pair) {
        for (int64_t part = 0; part < pair; ++part) block[at * lanes + part] = Kind::narrow(key[at + part]);
    }
    auto* line = values + position / pair * pair * padded + position % pair;
    for (int64_t at = 0; at < padded; ++at) {
        // Pads, and the other half of a new pair, are read though they count for nothing: they must be finite.
        line[at * pair] = at < width ? Kind::narrow(value[at]) : typename Kind::Value(0);
        if (pair == 2 && position % 2 == 0) line[at * pair + 1] = 0;
    }
}

// Scores of `heads` queries (stride `width_padded`) with `blocks` times 16 positions.
template <class Kind, int heads, int blocks>
inline void score_blocks(const typename Kind::Value* query, int64_t query_stride, int64_t width,
                         const typename Kind::Value* keys, float* scores, int64_t score_stride) {
    __m512 sums[heads][blocks];
    for (int head = 0; head < heads; ++head)
        for (int block = 0; block < blocks; ++block) sums[head][block] = _mm512_setzero_ps();
    for (int64_t at = 0; at < width; at += Kind::pair) {
        typename Kind::Vector columns[blocks];
#pragma GCC unroll 4
        for (int block = 0; block < blocks; ++block) {
            columns[block] = Kind::load(keys + block * lanes * width + at * lanes);
        }
#pragma GCC unroll 4
        for (int head = 0; head < heads; ++head) {
            const auto term = Kind::broadcast(query + head * query_stride + at);
#pragma GCC unroll 4
            for (int block = 0; block < blocks; ++block) {
                sums[head][block] = Kind::madd(sums[head][block], columns[block], term);
            }
        }
    }
    for (int head = 0; head < heads; ++head)
        for (int block = 0; block < blocks; ++block) {
            _mm512_storeu_ps(scores + head * score_stride + block * lanes, sums[head][block]);
        }
}

template <class Kind, int heads>
inline void score_part(const typename Kind::Value* query, int64_t query_stride, int64_t width, const Part<Kind>& part,
                       float cap, float* scores, int64_t score_stride) {
    const int64_t blocks = round_up(part.filled, lanes) / lanes;
    int64_t block = 0;
    for (; block + 4 <= blocks; block += 4) {
        score_blocks<Kind, heads, 4>(query, query_stride, width, part.keys + block * lanes * width,
                                     scores + block * lanes, score_stride);
    }
    for (; block + 2 <= blocks; block += 2) {
        score_blocks<Kind, heads, 2>(query, query_stride, width, part.keys + block * lanes * width,
                                     scores + block * lanes, score_stride);
    }
    if (block < blocks) {
        score_blocks<Kind, heads, 1>(query, query_stride, width, part.keys + block * lanes * width,
                                     scores + block * lanes, score_stride);
    }
    for (int head = 0; cap > 0 && head < heads; ++head) {
        for (int64_t at = 0; at < blocks * lanes; at += lanes) {
            float* score = scores + head * score_stride + at;
            _mm512_storeu_ps(score, soft_capped(_mm512_loadu_ps(score), cap));
        }
    }
    for (int head = 0; head < heads; ++head) {
        for (int64_t at = 0; at < part.unseen; ++at) scores[head * score_stride + at] = -INFINITY;
    }
    if (part.filled % lanes) {
        const __mmask16 real = static_cast<__mmask16>((1u << (part.filled % lanes)) - 1);
        for (int head = 0; head < heads; ++head) {
            float* last = scores + head * score_stride + (blocks - 1) * lanes;
            const __m512 none = _mm512_set1_ps(-INFINITY);
            _mm512_storeu_ps(last, _mm512_mask_loadu_ps(none, real, last));
        }
    }
}

// Unnormalised shares exp(score - highest) in the kernel's type; returns 1 / their sum.
template <class Kind>
inline float to_shares(float* scores, typename Kind::Value* shares, int64_t count) {
    __m512 highest = _mm512_set1_ps(-INFINITY), total = _mm512_setzero_ps();
    for (int64_t at = 0; at < count; at += lanes) highest = _mm512_max_ps(highest, _mm512_loadu_ps(scores + at));
    highest = _mm512_set1_ps(_mm512_reduce_max_ps(highest));
    for (int64_t at = 0; at < count; at += lanes) {
        const __m512 share = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + at), highest));
        total = _mm512_add_ps(total, share);
        Kind::store(shares + at, share);
    }
    return 1.0f / _mm512_reduce_add_ps(total);
}

// sums[head][vector] += shares of the part's positions times its values, `vectors` times 16 columns from `column`.
template <class Kind, int heads, int vectors>
inline void mix_part(__m512 (&sums)[heads][vectors], const typename Kind::Value* shares, int64_t share_stride,
                     const Part<Kind>& part, int64_t padded, int64_t column) {
    const auto* line = part.values + column * Kind::pair;
    for (int64_t at = 0; at < part.filled; at += Kind::pair, line += padded * Kind::pair) {
        typename Kind::Vector columns[vectors];
#pragma GCC unroll 4
        for (int vector = 0; vector < vectors; ++vector) {
            columns[vector] = Kind::load(line + vector * lanes * Kind::pair);
        }
#pragma GCC unroll 4
        for (int head = 0; head < heads; ++head) {
            const auto term = Kind::broadcast(shares + head * share_stride + at);
#pragma GCC unroll 4
            for (int vector = 0; vector < vectors; ++vector) {
                sums[head][vector] = Kind::madd(sums[head][vector], columns[vector], term);
            }
        }
    }
}

template <class Kind, int heads, int vectors>
inline void mix(const typename Kind::Value* shares, int64_t share_stride, const float* scale, const Part<Kind>& prefix,
                const Part<Kind>& own, int64_t padded, int64_t column, typename Kind::Value* out) {
    __m512 sums[heads][vectors];
    for (int head = 0; head < heads; ++head)
        for (int vector = 0; vector < vectors; ++vector) sums[head][vector] = _mm512_setzero_ps();
    mix_part<Kind, heads, vectors>(sums, shares, share_stride, prefix, padded, column);
    mix_part<Kind, heads, vectors>(sums, shares + round_up(prefix.filled, lanes), share_stride, own, padded, column);
    for (int head = 0; head < heads; ++head)
        for (int vector = 0; vector < vectors; ++vector) {
            Kind::store(out + head * padded + column + vector * lanes,
                        _mm512_mul_ps(sums[head][vector], _mm512_set1_ps(scale[head])));
        }
}

// `heads` query heads of one key-value head: query and out [heads, padded], scores and shares workspaces
// [heads, share_stride] with room for both parts rounded up to 16.
template <class Kind, int heads>
void attend(const typename Kind::Value* query, int64_t width, const Part<Kind>& prefix, const Part<Kind>& own,
            float cap, float* scores, typename Kind::Value* shares, int64_t share_stride, typename Kind::Value* out) {
    const int64_t padded = round_up(width, lanes), split = round_up(prefix.filled, lanes);
    const int64_t count = split + round_up(own.filled, lanes);
    score_part<Kind, heads>(query, padded, width, prefix, cap, scores, share_stride);
    score_part<Kind, heads>(query, padded, width, own, cap, scores + split, share_stride);
    float scale[heads];
    for (int head = 0; head < heads; ++head) {
        scale[head] = to_shares<Kind>(scores + head * share_stride, shares + head * share_stride, count);
    }
    int64_t column = 0;
    for (; column + 4 * lanes <= padded; column += 4 * lanes) {
        mix<Kind, heads, 4>(shares, share_stride, scale, prefix, own, padded, column, out);
    }
    for (; column + 2 * lanes <= padded; column += 2 * lanes) {
        mix<Kind, heads, 2>(shares, share_stride, scale, prefix, own, padded, column, out);
    }
    if (column < padded) mix<Kind, heads, 1>(shares, share_stride, scale, prefix, own, padded, column, out);
}

// All `heads` query heads of one key-value head, four at a time.
template <class Kind>
void attend_heads(int64_t heads, const typename Kind::Value* query, int64_t width, const Part<Kind>& prefix,
                  const Part<Kind>& own, float cap, float* scores, typename Kind::Value* shares, int64_t share_stride,
                  typename Kind::Value* out) {
    const int64_t padded = round_up(width, lanes);
    for (int64_t head = 0; head < heads;) {
        const int64_t take = heads - head < 4 ? heads - head : 4;
        auto run = [&](auto* function) {
            function(query + head * padded, width, prefix, own, cap, scores, shares, share_stride, out + head * padded);
        };
        switch (take) {
            case 1: run(&attend<Kind, 1>); break;
            case 2: run(&attend<Kind, 2>); break;
            case 3: run(&attend<Kind, 3>); break;
            default: run(&attend<Kind, 4>); break;
        }
        head += take;
    }
}
