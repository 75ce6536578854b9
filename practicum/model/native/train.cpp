// Kernels of the scorer's forward and backward pass (practicum/model/native/scorer.py calls them).
//
// Sequences lie packed end to end: a matrix [N, width] holds N tokens of all sequences, `starts` [sequences + 1]
// says where each begins. The residual stream, statistics and sums are float32; T, the type of activations, is
// float32 or bfloat16. Nothing here starts threads: training gives each thread a micro-batch of its own.

#include <algorithm>

#include "train_product.h"

namespace {

// ------------------------------------------------------------------- residual addition, RMSNorm and SwiGLU

// sum = x + multiplier * delta (delta may be null: sum is then x and is not written); y = sum / rms(sum) * weight, or
// sum itself where weight is null.
template <class T, class Out>
void add_norm(long rows, long width, float epsilon, float multiplier, const float* x, const T* delta, const float* weight, float* sum,
              Out* y, float* inverse) {
    for (long row = 0; row < rows; ++row, x += width, y += width) {
        const float* values = x;
        Floats squares = {};
        each_vector(width, [&](long at, long count) {
            Floats value = load(x + at, count);
            if (delta) {
                value = fused(load(delta + row * width + at, count), spread(multiplier), value);
                store(sum + row * width + at, value, count);
            }
            squares = fused(value, value, squares);
        });
        if (delta) values = sum + row * width;
        float scale = 1 / std::sqrt(total(squares) / width + epsilon);
        inverse[row] = scale;
        each_vector(width, [&](long at, long count) {
            Floats value = load(values + at, count);
            store(y + at, weight ? value * scale * load(weight + at, count) : value, count);
        });
    }
}

// With n = x * inverse and g = dy * weight: dx += inverse * (g - n * mean(g n)), dweight += sum over rows of dy n.
// Without a weight dx += dy. `rounded_dx` receives multiplier * dx in T, for the products that follow.
template <class T, class Out>
void norm_backward(long rows, long width, float multiplier, const float* x, const float* inverse, const float* weight, const Out* dy,
                   float* dx, T* rounded_dx, float* dweight) {
    for (long row = 0; row < rows; ++row, x += width, dy += width, dx += width, rounded_dx += width) {
        if (!weight) {
            each_vector(width, [&](long at, long count) {
                Floats result = load(dx + at, count) + load(dy + at, count);
                store(dx + at, result, count);
                store(rounded_dx + at, result * multiplier, count);
            });
            continue;
        }
        float scale = inverse[row];
        Floats overlap = {};
        each_vector(width, [&](long at, long count) {
            Floats product = load(dy + at, count) * load(x + at, count) * scale;
            store(dweight + at, load(dweight + at, count) + product, count);
            overlap = fused(product, load(weight + at, count), overlap);
        });
        float mean = total(overlap) / width;
        each_vector(width, [&](long at, long count) {
            Floats inner = load(dy + at, count) * load(weight + at, count) - load(x + at, count) * scale * mean;
            Floats result = fused(inner, spread(scale), load(dx + at, count));
            store(dx + at, result, count);
            store(rounded_dx + at, result * multiplier, count);
        });
    }
}

// 1 / (1 + e^-x); the bound keeps e^-x finite.
inline Floats logistic(Floats x) { return reciprocal(1 + exponential(-larger(x, spread(-80.0f)))); }

// gate_up [rows, 2 width] holds gate, then up; y [rows, width] = gate * logistic(gate) * up.
template <class T>
void swiglu(long rows, long width, const T* gate_up, T* y) {
    for (long row = 0; row < rows; ++row, gate_up += 2 * width, y += width) {
        each_vector(width, [&](long at, long count) {
            Floats gate = load(gate_up + at, count);
            store(y + at, gate * logistic(gate) * load(gate_up + width + at, count), count);
        });
    }
}

// Writes the gradient of gate and up over their values, and y again, which was not kept.
template <class T>
void swiglu_backward(long rows, long width, T* gate_up, const T* dy, T* y) {
    for (long row = 0; row < rows; ++row, gate_up += 2 * width, y += width, dy += width) {
        each_vector(width, [&](long at, long count) {
            Floats gate = load(gate_up + at, count), up = load(gate_up + width + at, count);
            Floats share = logistic(gate), slope = load(dy + at, count);
            Floats activated = gate * share;
            store(y + at, activated * up, count);
            store(gate_up + at, slope * up * share * (1 + gate - activated), count);
            store(gate_up + width + at, slope * activated, count);
        });
    }
}

// gelu(x) = x * logistic(gelu_angle(x)) by the approximation with tanh (Hendrycks & Gimpel 2016, 1606.08415).
inline Floats gelu_angle(Floats x) { return 1.5957691f * x * (1 + 0.044715f * x * x); }

// As `swiglu`, with gelu in the place of silu.
template <class T>
void geglu(long rows, long width, const T* gate_up, T* y) {
    for (long row = 0; row < rows; ++row, gate_up += 2 * width, y += width) {
        each_vector(width, [&](long at, long count) {
            Floats gate = load(gate_up + at, count);
            store(y + at, gate * logistic(gelu_angle(gate)) * load(gate_up + width + at, count), count);
        });
    }
}

template <class T>
void geglu_backward(long rows, long width, T* gate_up, const T* dy, T* y) {
    for (long row = 0; row < rows; ++row, gate_up += 2 * width, y += width, dy += width) {
        each_vector(width, [&](long at, long count) {
            Floats gate = load(gate_up + at, count), up = load(gate_up + width + at, count);
            Floats share = logistic(gelu_angle(gate)), slope = load(dy + at, count);
            Floats activated = gate * share, turn = 1.5957691f * (1 + 0.134145f * gate * gate);
            store(y + at, activated * up, count);
            store(gate_up + at, slope * up * (share + activated * (1 - share) * turn), count);
            store(gate_up + width + at, slope * activated, count);
        });
    }
}

// ------------------------------------------------------------------------------------------------ attention

constexpr long BLOCK = 32;  // queries (forward) or keys (backward) at a time; even, for pairs

// Where the heads of one token lie, and what a layer does with them.
struct Shape {
    long heads, key_heads, width;        // width: values of one head
    float scale, cap;                    // of scores; cap 0: none
    long window;                         // last positions that a query sees, its own included; 0: all
    const float *cosine, *sine;          // [positions, width / 2], or null: no rotation
    long row() const { return (heads + 2 * key_heads) * width; }
    long padded_width() const { return round_up(width, LANES); }
    float turn() const { return cosine ? 1 : 0; }
    long first_seen(long query) const { return window && query >= window ? query + 1 - window : 0; }
};

// One head of one sequence as float32 [padded length][padded width], zeros outside; rotated by `turn` times the
// position's angle (Hugging Face's half-split layout), or not at all for turn 0.
template <class T>
void take_head(const Shape& shape, const T* source, long stride, long length, float turn, float scale, float* target) {
    long width = shape.width, half = width / 2, padded = shape.padded_width();
    if (padded > width) std::memset(target, 0, length * padded * sizeof(float));
    for (long at = 0; at < length; ++at, source += stride, target += padded) {
        const float *cosine = shape.cosine + at * half, *sine = shape.sine + at * half;
        each_vector(half, [&](long e, long count) {
            Floats first = load(source + e, count) * scale, second = load(source + half + e, count) * scale;
            if (turn != 0) {
                Floats c = load(cosine + e, count), s = load(sine + e, count) * turn;
                Floats turned = first * c - second * s;
                second = second * c + first * s;
                first = turned;
            }
            store(target + e, first, count);
            store(target + half + e, second, count);
        });
    }
    std::memset(target, 0, (round_up(length, LANES) - length) * padded * sizeof(float));
}

// The inverse way: float32 [length][padded width] to one head of the packed matrix, rotated back.
template <class T>
void give_head(const Shape& shape, const float* source, long length, bool turn, float scale, T* target, long stride) {
    long half = shape.width / 2;
    for (long at = 0; at < length; ++at, source += shape.padded_width(), target += stride) {
        const float *cosine = shape.cosine + at * half, *sine = shape.sine + at * half;
        each_vector(half, [&](long e, long count) {
            Floats first = load(source + e, count) * scale, second = load(source + half + e, count) * scale;
            if (turn) {
                Floats c = load(cosine + e, count), s = load(sine + e, count);
                Floats turned = first * c + second * s;
                second = second * c - first * s;
                first = turned;
            }
            store(target + e, first, count);
            store(target + half + e, second, count);
        });
    }
}

// One matrix [length][width] in the layouts in which it enters products.
template <class T>
struct Factor {
    using Unit = typename Packing<T>::Unit;
    static constexpr long step = Packing<T>::step;
    Buffer<T> rows_memory, columns_memory;
    Buffer<Unit> by_rows_memory, by_columns_memory;
    const Unit* rows = nullptr;          // left factor [length][width]
    const Unit* right_columns = nullptr; // right factor [width][length]: the transposed matrix
    const Unit* right = nullptr;         // right factor [length][width]
    const Unit* left_columns = nullptr;  // left factor [width][length]: the transposed matrix

    void along_columns(const float* values, long length, long width, bool transposed) {
        T* target = rows_memory.take(length * width);
        pair_columns(values, length, width, target);
        rows = (const Unit*)target;
        if (transposed) {
            Unit* turned = by_columns_memory.take(length * width);
            transpose(rows, length, width / step, turned, length);
            right_columns = turned;
        }
    }

    void along_rows(const float* values, long length, long width, bool transposed) {
        Unit* target = by_rows_memory.take(length * width);
        pair_rows(values, length, width, target);
        right = target;
        if (transposed) {
            T* turned = columns_memory.take(length * width);
            transpose(right, length / step, width, (Unit*)turned, length / step);
            left_columns = (const Unit*)turned;
        }
    }
};

template <class T>
struct AttentionScratch {
    Buffer<float> values, scores, slopes, mixed, dquery, dkey, dvalue, overlap, peak;
    Buffer<T> shares, dscores;
    Buffer<typename Packing<T>::Unit> dscores_right;
    Factor<T> query, key, value, dmixed;
};

template <class T>
AttentionScratch<T>& scratch() {
    thread_local AttentionScratch<T> memory;
    return memory;
}

// Scores of one query to shares before normalisation; keys from `seen` on and before `first` get 0. Returns
// (largest score, sum of shares).
template <class T>
std::pair<float, float> soften(const float* scores, long first, long seen, long columns, T* shares) {
    Floats peaks = spread(-INFINITY);
    for (long at = first / LANES * LANES; at < seen; at += LANES) {
        Floats score = load(scores + at);
        if (at < first) score = lanes_from(at) < (int32_t)first ? spread(-INFINITY) : score;
        peaks = larger(peaks, at + LANES <= seen ? score : lanes_from(at) < (int32_t)seen ? score : peaks);
    }
    float peak = largest(peaks);
    Floats sums = {};
    for (long at = 0; at < columns; at += LANES) {
        Floats share = {};
        if (at < seen && at + LANES > first) {
            share = exponential(load(scores + at) - peak);
            if (at + LANES > seen) share = lanes_from(at) < (int32_t)seen ? share : Floats{};
            if (at < first) share = lanes_from(at) < (int32_t)first ? Floats{} : share;
        }
        sums += share;
        store(shares + at, share);
    }
    return {peak, total(sums)};
}

// Causal grouped-query attention of every sequence. qkv [N, (heads + 2 key_heads) width] before rotation; writes
// mixed [N, heads * width] and logsum [N, heads], the logarithm of each query's sum of exponentials.
template <class T>
void attention(long sequences, const int64_t* starts, const Shape& shape, const T* qkv, T* mixed, float* logsum) {
    using Unit = typename Packing<T>::Unit;
    constexpr long step = Packing<T>::step;
    AttentionScratch<T>& memory = scratch<T>();
    long padded = shape.padded_width(), group = shape.heads / shape.key_heads;
    float scale = shape.scale;
    for (long sequence = 0; sequence < sequences; ++sequence) {
        long first = starts[sequence], length = starts[sequence + 1] - first, rows = round_up(length, LANES);
        float* values = memory.values.take(rows * padded);
        float* scores = memory.scores.take(BLOCK * rows);
        T* shares = memory.shares.take(BLOCK * rows);
        float* block = memory.mixed.take(rows * padded);
        const T* tokens = qkv + first * shape.row();
        for (long key_head = 0; key_head < shape.key_heads; ++key_head) {
            const T* keys = tokens + (shape.heads + key_head) * shape.width;
            take_head(shape, keys, shape.row(), length, shape.turn(), 1, values);
            memory.key.along_columns(values, rows, padded, true);
            take_head(shape, keys + shape.key_heads * shape.width, shape.row(), length, 0, 1, values);
            memory.value.along_rows(values, rows, padded, false);
            for (long head = key_head * group; head < (key_head + 1) * group; ++head) {
                take_head(shape, tokens + head * shape.width, shape.row(), length, shape.turn(), scale, values);
                memory.query.along_columns(values, rows, padded, false);
                for (long start = 0; start < length; start += BLOCK) {
                    long count = std::min(BLOCK, length - start), columns = round_up(start + count, LANES);
                    product(memory.query.rows + start * padded / step, padded / step, memory.key.right_columns, rows,
                            count, columns, padded / step, scores, rows);
                    for (long row = 0; row < count; ++row) {
                        float* score = scores + row * rows;
                        for (long at = 0; shape.cap > 0 && at < columns; at += LANES) {
                            store(score + at, soft_capped(load(score + at), shape.cap));
                        }
                        long query = start + row, first_seen = shape.first_seen(query);
                        auto [peak, sum] = soften(score, first_seen, query + 1, columns, shares + row * rows);
                        logsum[(first + start + row) * shape.heads + head] = peak + std::log(sum);
                        scores[row * rows] = 1 / sum;
                    }
                    product((const Unit*)shares, rows / step, memory.value.right, padded, count, padded,
                            columns / step, block + start * padded, padded);
                    for (long row = 0; row < count; ++row) {
                        T* target = mixed + ((first + start + row) * shape.heads + head) * shape.width;
                        for (long e = 0; e < shape.width; e += LANES) {
                            Floats result = load(block + (start + row) * padded + e) * scores[row * rows];
                            store(target + e, result, shape.width - e);
                        }
                    }
                }
            }
        }
    }
}

// The gradient of one query head, keys in blocks and queries along the lanes: with P the shares, dS = P (dP - D),
// D the overlap of mixed and its gradient (Dao 2023, 2307.08691, algorithm 2); adds to dkey, dvalue and dquery.
template <class T>
void attention_head_backward(AttentionScratch<T>& memory, const Shape& shape, long length, float* dquery, float* dkey,
                             float* dvalue, const float* peak, const float* overlap) {
    using Unit = typename Packing<T>::Unit;
    constexpr long step = Packing<T>::step;
    long rows = round_up(length, LANES), padded = shape.padded_width();
    float* scores = memory.scores.take(BLOCK * rows);
    float* slopes = memory.slopes.take(BLOCK * rows);
    T* shares = memory.shares.take(BLOCK * rows);
    T* dscores = memory.dscores.take(BLOCK * rows);
    Unit* dscores_right = memory.dscores_right.take(BLOCK * rows);
    for (long start = 0; start < rows; start += BLOCK) {
        long count = std::min(BLOCK, rows - start), queries = rows - start;
        product(memory.key.rows + start * padded / step, padded / step, memory.query.right_columns + start, rows,
                count, queries, padded / step, scores, queries);
        product(memory.value.rows + start * padded / step, padded / step, memory.dmixed.right_columns + start, rows,
                count, queries, padded / step, slopes, queries);
        for (long key = 0; key < count; ++key) {
            float *score = scores + key * queries, *slope = slopes + key * queries;
            for (long at = 0; at < queries; at += LANES) {
                Floats value = load(score + at);
                if (shape.cap > 0) value = soft_capped(value, shape.cap);
                Floats share = exponential(value - load(peak + start + at));
                if (at < key + LANES) share = lanes_from(at) >= (int32_t)key ? share : Floats{};
                if (shape.window && at + LANES > key + shape.window) {
                    share = lanes_from(at) < (int32_t)(key + shape.window) ? share : Floats{};
                }
                store(shares + key * queries + at, share);
                Floats result = share * (load(slope + at) - load(overlap + start + at));
                if (shape.cap > 0) result *= 1 - value * value * (1 / (shape.cap * shape.cap));
                store(slope + at, result);
            }
        }
        pair_columns(slopes, count, queries, dscores);
        pair_rows(slopes, count, queries, dscores_right);
        product((const Unit*)shares, queries / step, memory.dmixed.right + start / step * padded, padded, count,
                padded, queries / step, dvalue + start * padded, padded, true);
        product((const Unit*)dscores, queries / step, memory.query.right + start / step * padded, padded, count,
                padded, queries / step, dkey + start * padded, padded, true);
        product(memory.key.left_columns + start / step, rows / step, dscores_right, queries, padded, queries,
                count / step, dquery + start, rows, true);
    }
}

// From the gradient of `mixed` to that of qkv, the shares being worked out again from qkv and logsum.
template <class T>
void attention_backward(long sequences, const int64_t* starts, const Shape& shape, const T* qkv, const T* mixed,
                        const float* logsum, const T* dmixed, T* dqkv) {
    AttentionScratch<T>& memory = scratch<T>();
    long padded = shape.padded_width(), group = shape.heads / shape.key_heads, out = shape.heads * shape.width;
    float scale = shape.scale;
    for (long sequence = 0; sequence < sequences; ++sequence) {
        long first = starts[sequence], length = starts[sequence + 1] - first, rows = round_up(length, LANES);
        if (length < 1) continue;
        float* values = memory.values.take(rows * padded);
        float* dquery = memory.dquery.take(rows * padded);
        float* dkey = memory.dkey.take(rows * padded);
        float* dvalue = memory.dvalue.take(rows * padded);
        float* overlap = memory.overlap.take(rows);
        float* peak = memory.peak.take(rows);
        const T* tokens = qkv + first * shape.row();
        T* dtokens = dqkv + first * shape.row();
        for (long key_head = 0; key_head < shape.key_heads; ++key_head) {
            long key_at = (shape.heads + key_head) * shape.width, value_at = key_at + shape.key_heads * shape.width;
            take_head(shape, tokens + key_at, shape.row(), length, shape.turn(), 1, values);
            memory.key.along_columns(values, rows, padded, false);
            memory.key.along_rows(values, rows, padded, true);
            take_head(shape, tokens + value_at, shape.row(), length, 0, 1, values);
            memory.value.along_columns(values, rows, padded, false);
            std::memset(dkey, 0, rows * padded * sizeof(float));
            std::memset(dvalue, 0, rows * padded * sizeof(float));
            for (long head = key_head * group; head < (key_head + 1) * group; ++head) {
                take_head(shape, tokens + head * shape.width, shape.row(), length, shape.turn(), scale, values);
                memory.query.along_columns(values, rows, padded, true);
                memory.query.along_rows(values, rows, padded, false);
                take_head(shape, dmixed + first * out + head * shape.width, out, length, 0, 1, values);
                memory.dmixed.along_columns(values, rows, padded, true);
                memory.dmixed.along_rows(values, rows, padded, false);
                for (long at = 0; at < rows; ++at) {
                    const T* result = mixed + (first + at) * out + head * shape.width;
                    Floats sum = {};
                    for (long e = 0; at < length && e < shape.width; e += LANES) {
                        sum = fused(load(result + e, shape.width - e), load(values + at * padded + e), sum);
                    }
                    overlap[at] = total(sum);
                    peak[at] = at < length ? logsum[(first + at) * shape.heads + head] : 0;
                }
                std::memset(dquery, 0, rows * padded * sizeof(float));
                attention_head_backward(memory, shape, length, dquery, dkey, dvalue, peak, overlap);
                transpose(dquery, padded, rows, values, padded);
                give_head(shape, values, length, shape.turn() != 0, scale, dtokens + head * shape.width, shape.row());
            }
            give_head(shape, dkey, length, shape.turn() != 0, 1, dtokens + key_at, shape.row());
            give_head(shape, dvalue, length, false, 1, dtokens + value_at, shape.row());
        }
    }
}

// ------------------------------------------------------------- log-probabilities straight from hidden states

constexpr long PANEL = 64;  // vocabulary entries at a time
constexpr long GROUP = 96;  // tokens at a time

// A product of hidden state and output row to a logit divided by the temperature: capped where `cap` is above 0, its
// product first multiplied by `share`.
struct Ending {
    float sharpness, share, cap;
    Floats operator()(Floats products) const {
        return cap > 0 ? soft_capped(products * share, cap) * sharpness : products * sharpness;
    }
    // The slope of a result towards its product, over sharpness.
    Floats slope(Floats result) const {
        Floats capped = result * (1 / (sharpness * cap));
        return (1 - capped * capped) * share;
    }
};

// The output matrix [vocabulary, width] as right factors of PANEL entries each: [panels][width][PANEL].
template <class T>
void pack_output(long vocabulary, long width, const T* weight, typename Packing<T>::Unit* panels) {
    using Unit = typename Packing<T>::Unit;
    long depth = width / Packing<T>::step;
    std::memset(panels, 0, round_up(vocabulary, PANEL) * width / Packing<T>::step * sizeof(Unit));
    for (long start = 0; start < vocabulary; start += PANEL, panels += depth * PANEL) {
        transpose((const Unit*)weight + start * depth, std::min(PANEL, vocabulary - start), depth, panels, PANEL);
    }
}

// Per token: the logarithm of its target's probability, of the sum of exponentials, and the entropy. Logits are
// float32 and only PANEL wide at a time; maximum and sums are corrected as larger logits appear.
template <class T>
void logprobs(long tokens, long width, long vocabulary, Ending ending, const T* hidden,
              const typename Packing<T>::Unit* panels, const int64_t* targets, float* chosen, float* logsum,
              float* entropy) {
    using Unit = typename Packing<T>::Unit;
    thread_local Buffer<float> memory;
    long depth = width / Packing<T>::step;
    float* logits = memory.take(GROUP * PANEL);
    for (long first = 0; first < tokens; first += GROUP) {
        long count = std::min(GROUP, tokens - first);
        float peaks[GROUP], sums[GROUP] = {}, weighted[GROUP] = {};
        std::fill(peaks, peaks + GROUP, -INFINITY);
        for (long start = 0; start < vocabulary; start += PANEL) {
            long entries = std::min(PANEL, vocabulary - start);
            product((const Unit*)hidden + first * depth, depth, panels + start * depth, PANEL, count, PANEL, depth,
                    logits, PANEL);
            for (long row = 0; row < count; ++row) {
                float* values = logits + row * PANEL;
                Floats most = spread(peaks[row]);
                for (long at = 0; at < PANEL; at += LANES) {
                    Floats value = ending(load(values + at));
                    if (at + LANES > entries) value = lanes_from(at) < (int32_t)entries ? value : spread(-1e30f);
                    store(values + at, value);
                    most = larger(most, value);
                }
                long target = targets[first + row] - start;
                if (target >= 0 && target < entries) chosen[first + row] = values[target];
                float peak = largest(most);
                Floats sum = {}, weight = {};
                for (long at = 0; at < PANEL && at < entries; at += LANES) {
                    Floats value = load(values + at), share = exponential(value - peak);
                    if (at + LANES > entries) share = lanes_from(at) < (int32_t)entries ? share : Floats{};
                    sum += share;
                    weight = fused(share, value, weight);
                }
                float correction = std::exp(peaks[row] - peak);
                sums[row] = sums[row] * correction + total(sum);
                weighted[row] = weighted[row] * correction + total(weight);
                peaks[row] = peak;
            }
        }
        for (long row = 0; row < count; ++row) {
            float whole = peaks[row] + std::log(sums[row]);
            logsum[first + row] = whole;
            chosen[first + row] -= whole;
            entropy[first + row] = whole - weighted[row] / sums[row];
        }
    }
}

// The gradient of the logits in T, [tokens, vocabulary], from that of log-probability and entropy:
// dl_k = sharpness * (dchosen (1[k = target] - p_k) - dentropy p_k (log p_k + entropy)).
template <class T>
void logprobs_backward(long tokens, long width, long vocabulary, Ending ending, const T* hidden,
                       const typename Packing<T>::Unit* panels, const int64_t* targets, const float* logsum,
                       const float* entropy, const float* dchosen, const float* dentropy, T* dlogits) {
    using Unit = typename Packing<T>::Unit;
    thread_local Buffer<float> memory;
    long depth = width / Packing<T>::step;
    float* logits = memory.take(GROUP * PANEL);
    for (long first = 0; first < tokens; first += GROUP) {
        long count = std::min(GROUP, tokens - first);
        for (long start = 0; start < vocabulary; start += PANEL) {
            long entries = std::min(PANEL, vocabulary - start);
            product((const Unit*)hidden + first * depth, depth, panels + start * depth, PANEL, count, PANEL, depth,
                    logits, PANEL);
            for (long row = 0; row < count; ++row) {
                long token = first + row;
                float pull = dchosen[token] * ending.sharpness;
                float spreading = dentropy ? dentropy[token] * ending.sharpness : 0;
                Integers target = (int32_t)(targets[token] - start) - Integers{};
                T* gradient = dlogits + token * vocabulary + start;
                for (long at = 0; at < entries; at += LANES) {
                    Floats product = load(logits + row * PANEL + at), value = {};
                    Floats logprob = product * ending.sharpness - logsum[token];
                    if (ending.cap > 0) {
                        value = ending(product);
                        logprob = value - logsum[token];
                    }
                    Floats share = exponential(logprob);
                    Floats slope = (lanes_from(at) == target ? spread(pull) : Floats{}) - share * pull;
                    if (dentropy) slope -= share * (logprob + entropy[token]) * spreading;
                    if (ending.cap > 0) slope *= ending.slope(value);
                    store(gradient + at, slope, entries - at);
                }
            }
        }
    }
}

// target[ids[n]] += values[n], in the order of n.
void scatter_rows(long rows, long width, const int64_t* ids, const float* values, float* target) {
    for (long row = 0; row < rows; ++row, values += width) {
        float* sum = target + ids[row] * width;
        each_vector(width, [&](long at, long count) {
            store(sum + at, load(sum + at, count) + load(values + at, count), count);
        });
    }
}

}  // namespace

// The C interface, once for each type of activations.
#define KERNELS(NAME, T)                                                                                              \
    void add_norm_##NAME(long n, long d, float eps, float m, const float* x, const T* delta, const float* w, float* sum,\
                         T* y, float* inverse) {                                                                      \
        add_norm(n, d, eps, m, x, delta, w, sum, y, inverse);                                                         \
    }                                                                                                                 \
    void add_final_norm_##NAME(long n, long d, float eps, float m, const float* x, const T* delta, const float* w,    \
                               float* sum, float* y, float* inverse) {                                                \
        add_norm(n, d, eps, m, x, delta, w, sum, y, inverse);                                                         \
    }                                                                                                                 \
    void norm_backward_##NAME(long n, long d, float m, const float* x, const float* inverse, const float* w,          \
                              const T* dy, float* dx, T* rounded_dx, float* dw) {                                     \
        norm_backward(n, d, m, x, inverse, w, dy, dx, rounded_dx, dw);                                                \
    }                                                                                                                 \
    void final_norm_backward_##NAME(long n, long d, float m, const float* x, const float* inverse, const float* w,    \
                                    const float* dy, float* dx, T* rounded_dx, float* dw) {                           \
        norm_backward(n, d, m, x, inverse, w, dy, dx, rounded_dx, dw);                                                \
    }                                                                                                                 \
    void swiglu_##NAME(long n, long f, const T* gate_up, T* y) { swiglu(n, f, gate_up, y); }                          \
    void swiglu_backward_##NAME(long n, long f, T* gate_up, const T* dy, T* y) {                                      \
        swiglu_backward(n, f, gate_up, dy, y);                                                                        \
    }                                                                                                                 \
    void geglu_##NAME(long n, long f, const T* gate_up, T* y) { geglu(n, f, gate_up, y); }                            \
    void geglu_backward_##NAME(long n, long f, T* gate_up, const T* dy, T* y) {                                       \
        geglu_backward(n, f, gate_up, dy, y);                                                                         \
    }                                                                                                                 \
    void attention_##NAME(long sequences, const int64_t* starts, long heads, long key_heads, long width, float scale, \
                          float cap, long window, const float* cosine, const float* sine, const T* qkv, T* mixed,     \
                          float* logsum) {                                                                            \
        const Shape shape{heads, key_heads, width, scale, cap, window, cosine, sine};                                 \
        attention(sequences, starts, shape, qkv, mixed, logsum);                                                      \
    }                                                                                                                 \
    void attention_backward_##NAME(long sequences, const int64_t* starts, long heads, long key_heads, long width,     \
                                   float scale, float cap, long window, const float* cosine, const float* sine,       \
                                   const T* qkv, const T* mixed, const float* logsum, const T* dmixed, T* dqkv) {     \
        const Shape shape{heads, key_heads, width, scale, cap, window, cosine, sine};                                 \
        attention_backward(sequences, starts, shape, qkv, mixed, logsum, dmixed, dqkv);                               \
    }                                                                                                                 \
    void pack_output_##NAME(long v, long d, const T* weight, void* panels) {                                          \
        pack_output(v, d, weight, (Packing<T>::Unit*)panels);                                                         \
    }                                                                                                                 \
    void logprobs_##NAME(long n, long d, long v, float sharpness, float share, float cap, const T* hidden,            \
                         const void* panels, const int64_t* targets, float* chosen, float* logsum, float* entropy) {  \
        logprobs(n, d, v, Ending{sharpness, share, cap}, hidden, (const Packing<T>::Unit*)panels, targets, chosen,    \
                 logsum, entropy);                                                                                    \
    }                                                                                                                 \
    void logprobs_backward_##NAME(long n, long d, long v, float sharpness, float share, float cap, const T* hidden,   \
                                  const void* panels, const int64_t* targets, const float* logsum,                    \
                                  const float* entropy, const float* dchosen, const float* dentropy, T* dlogits) {    \
        logprobs_backward(n, d, v, Ending{sharpness, share, cap}, hidden, (const Packing<T>::Unit*)panels, targets,   \
                          logsum, entropy, dchosen, dentropy, dlogits);                                               \
    }

extern "C" {
KERNELS(float32, float)
KERNELS(bfloat16, Bfloat)
void scatter_rows_float32(long n, long d, const int64_t* ids, const float* values, float* target) {
    scatter_rows(n, d, ids, values, target);
}
}
