// The choice of a token from a row of logits, and its log-probability.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "simd.h"

// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3), as one number in
// (0, 1) of 53 random bits: a function of seed, request and position, whatever thread or batch asks for it.
inline double uniform(uint64_t seed, uint64_t request, uint64_t position) {
    uint32_t counter[4] = {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                           static_cast<uint32_t>(request), static_cast<uint32_t>(request >> 32)};
    uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
    for (int round = 0; round < 10; ++round) {
        const uint64_t first = 0xD2511F53ull * counter[0], second = 0xCD9E8D57ull * counter[2];
        const uint32_t mixed[4] = {static_cast<uint32_t>(second >> 32) ^ counter[1] ^ key[0],
                                   static_cast<uint32_t>(second),
                                   static_cast<uint32_t>(first >> 32) ^ counter[3] ^ key[1],
                                   static_cast<uint32_t>(first)};
        std::copy(mixed, mixed + 4, counter);
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    const uint64_t bits = (static_cast<uint64_t>(counter[0]) << 32 | counter[1]) >> 11;
    return (static_cast<double>(bits) + 0.5) * 0x1p-53;
}

struct Choice {
    int64_t token;
    float logprob;  // NaN where the logits are no distribution
};

// A row of logits on its way to weights exp((logit - highest) / temperature), cut to the k likeliest and to the
// smallest set of probability top_p. It is worked on in place and has room for a multiple of 16 values.
// `highest` is NaN where any logit is.
class Distribution {
  public:
    Distribution(float* logits, int64_t vocabulary, float temperature)
        : weights(logits), vocabulary(vocabulary), inverse(1.0f / temperature) {
        const int64_t padded = round_up(vocabulary, lanes);
        for (int64_t at = vocabulary; at < padded; ++at) logits[at] = -INFINITY;
        __m512 most = _mm512_set1_ps(-INFINITY);
        __mmask16 none = 0;
        for (int64_t at = 0; at < padded; at += lanes) {
            const __m512 values = _mm512_loadu_ps(logits + at);
            none |= _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
            most = _mm512_max_ps(most, values);
        }
        highest = none ? NAN : _mm512_reduce_max_ps(most);
    }

    int64_t likeliest() const { return std::find(weights, weights + vocabulary, highest) - weights; }

    // Keeps exactly k; of equal logits those of the lowest ids.
    void keep_top_k(int64_t k, std::vector<float>& scratch) {
        if (k <= 0 || k >= vocabulary) return;
        scratch.assign(weights, weights + vocabulary);
        std::nth_element(scratch.begin(), scratch.begin() + (k - 1), scratch.end(), std::greater<float>());
        const float least = scratch[k - 1];
        int64_t equal = k - std::count_if(weights, weights + vocabulary, [=](float one) { return one > least; });
        for (int64_t at = 0; at < vocabulary; ++at) {
            if (weights[at] < least || (weights[at] == least && equal-- <= 0)) weights[at] = -INFINITY;
        }
    }

    void exponentiate() {
        const __m512 top = _mm512_set1_ps(highest), scale = _mm512_set1_ps(inverse);
        total = 0;
        for (int64_t at = 0; at < vocabulary; at += lanes) {
            const __m512 below = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(weights + at), top), scale);
            const __m512 weight = exponential(below);
            _mm512_storeu_ps(weights + at, weight);
            total += _mm512_reduce_add_pd(_mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(weight)),
                                                        _mm512_cvtps_pd(_mm512_extractf32x8_ps(weight, 1))));
        }
    }

    void keep_top_p(double share, std::vector<std::pair<float, int64_t>>& scratch) {
        if (share >= 1) return;
        // Tokens below the mean of what may be cut are never needed to reach the share.
        const double floor = (1 - share) * total / static_cast<double>(vocabulary) * (1 - 1e-6);
        scratch.clear();
        for (int64_t at = 0; at < vocabulary; ++at) {
            if (weights[at] >= floor) scratch.emplace_back(weights[at], -at);
        }
        std::sort(scratch.begin(), scratch.end(), std::greater<std::pair<float, int64_t>>());
        double reached = 0;
        size_t kept = 0;
        while (kept < scratch.size() && reached < share * total) reached += scratch[kept++].first;
        std::fill(weights, weights + vocabulary, 0.0f);
        for (size_t at = 0; at < kept; ++at) weights[-scratch[at].second] = scratch[at].first;
        total = reached;
    }

    // The token whose interval of the running sum holds `point` of (0, 1): each is taken with its probability.
    int64_t draw(double point) const {
        const double target = point * total;
        double sum = 0;
        int64_t last = 0;
        for (int64_t first = 0; first < vocabulary; first += lanes) {
            const __m512 weight = _mm512_loadu_ps(weights + first);
            const double part = _mm512_reduce_add_pd(_mm512_add_pd(
                _mm512_cvtps_pd(_mm512_castps512_ps256(weight)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(weight, 1))));
            if (part > 0) last = first;
            if (sum + part > target && part > 0) break;
            sum += part;
        }
        // `last` holds the target, or is the last block of any weight where rounding left the target beyond it.
        int64_t chosen = last;
        for (int64_t at = last; at < std::min(last + lanes, vocabulary); ++at) {
            if (weights[at] <= 0) continue;
            chosen = at;
            sum += weights[at];
            if (sum > target) break;
        }
        return chosen;
    }

    double total = 0;
    float highest;

  private:
    float* weights;
    int64_t vocabulary;
    float inverse;
};

struct Chooser {
    double temperature, top_p;
    int64_t top_k;
    uint64_t seed;
    std::vector<float> numbers;
    std::vector<std::pair<float, int64_t>> pairs;

    // Takes one token of a row of logits, which are overwritten. Temperature 0 takes the likeliest.
    Choice choose(float* logits, int64_t vocabulary, uint64_t request, uint64_t position) {
        const bool greedy = temperature == 0;
        Distribution distribution(logits, vocabulary, greedy ? 1.0f : static_cast<float>(temperature));
        if (!std::isfinite(distribution.highest)) return {0, NAN};
        const int64_t likeliest = distribution.likeliest();
        distribution.keep_top_k(top_k, numbers);
        distribution.exponentiate();
        distribution.keep_top_p(top_p, pairs);
        const int64_t token = greedy ? likeliest : distribution.draw(uniform(seed, request, position));
        return {token, static_cast<float>(std::log(logits[token] / distribution.total))};
    }
};
