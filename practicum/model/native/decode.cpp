// Decoding of a model of the Llama family and its relatives for one shard of rows: prompts are read and tokens drawn, many steps a call.
//
// Arithmetic as in practicum/model/cache.py, which runs where this cannot: norms, rotary positions, softmax and
// the residual stream in float32, matrix products on float32 or bfloat16 with float32 sums, logits in float32.
// A row's numbers do not depend on the rows beside it: every sum is taken in one fixed order.
//
// All memory belongs to the caller. Sizes are padded to 16 values, pads are zero.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#ifdef __AVX512F__
#include "attention.h"
#include "choose.h"
#include "product.h"
#include "simd.h"
#endif

extern "C" {

// A null pointer is a part that the family does not have: a bias, a norm, or rotary tables [positions, width / 2].
// `window` is how many last positions a token sees, its own included; 0: all.
struct Layer {
    const void *qkv, *output, *gate_up, *down;
    const float *attention_norm, *feed_forward_norm, *after_attention_norm, *after_feed_forward_norm;
    const float *qkv_bias, *output_bias, *query_norm, *key_norm, *cosine, *sine;
    int64_t window;
};

// `whole_norm`: queries are normed all heads together, keys likewise. A soft cap of 0 is none.
struct Model {
    int64_t bfloat16, hidden, layers, heads, key_heads, width, feed_forward, vocabulary, whole_norm, gelu;
    double epsilon, scale, embedding_multiplier, residual_multiplier, logits_scaling, attention_cap, final_cap;
    const float *embedding, *final_norm;
    const void* head;
    const Layer* layer;
};

// The rows in flight. `order` lists the slots, the `active` running ones first, each with a request of its own.
struct Batch {
    int64_t slots, prefixes, own_length, prefix_length, chunk, results_width, end_tokens;
    double temperature, top_p;
    int64_t top_k;
    uint64_t seed;
    const int64_t* ends;  // the tokens that end a row, `end_tokens` of them
    void *own, *prefix;
    int64_t active, finished;
    int64_t *order, *request, *request_name, *prefix_of, *filled, *next_token;  // by slot, but order, request_name
    int64_t *prefix_filled;                                                     // by prefix
    int64_t *limit, *ids, *length;                                              // by request
    float* logprobs;
    uint8_t* ended;
    void* workspace;
    int64_t workspace_rows;
};

}  // extern "C"

#ifdef __AVX512F__
namespace {

// A token to run through the model: it stands at the end of its prefix's or its own visible part.
struct Token {
    int64_t id, prefix, prefix_visible, slot, own_visible;
};

struct Sizes {
    int64_t hidden, query, qkv, feed_forward, vocabulary, padded_width, shares;

    Sizes(const Model& model, const Batch& batch)
        : hidden(round_up(model.hidden, lanes)),
          query(model.heads * round_up(model.width, lanes)),
          qkv(round_up((model.heads + 2 * model.key_heads) * model.width, lanes)),
          feed_forward(round_up(model.feed_forward, lanes)),
          vocabulary(round_up(model.vocabulary, lanes)),
          padded_width(round_up(model.width, lanes)),
          shares(batch.prefix_length + batch.own_length) {}
};

// Buffers of one call, cut from the caller's workspace; `residual` for all rows, the others for a chunk of them.
template <class Kind>
struct Workspace {
    float *residual, *delta, *qkv, *scores, *logits;
    typename Kind::Value *normed, *query, *mixed, *inner, *shares;
    int64_t bytes = 0;

    Workspace(const Model& model, const Batch& batch) {
        const Sizes size(model, batch);
        auto* base = static_cast<char*>(batch.workspace);
        auto take = [&](auto*& pointer, int64_t count) {
            pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(base + bytes);
            bytes += round_up(count * static_cast<int64_t>(sizeof *pointer), 64);
        };
        take(residual, batch.workspace_rows * size.hidden);
        take(delta, batch.chunk * size.hidden);
        take(qkv, batch.chunk * size.qkv);
        take(scores, 4 * size.shares);
        take(logits, batch.chunk * size.vocabulary);
        take(normed, batch.chunk * size.hidden);
        take(query, batch.chunk * size.query);
        take(mixed, batch.chunk * size.query);
        take(inner, batch.chunk * size.feed_forward);
        take(shares, 4 * size.shares);
    }
};

template <class Kind>
class Decoder {
    using Value = typename Kind::Value;

  public:
    Decoder(const Model& model, Batch& batch) : model(model), batch(batch), size(model, batch), work(model, batch) {}

    // Runs tokens through all layers; afterwards `work.residual` holds their last hidden states.
    void run(const std::vector<Token>& tokens) {
        const auto count = static_cast<int64_t>(tokens.size());
        for (int64_t row = 0; row < count; ++row) {
            float* to = work.residual + row * size.hidden;
            std::memcpy(to, model.embedding + tokens[row].id * model.hidden, model.hidden * sizeof(float));
            std::fill(to + model.hidden, to + size.hidden, 0.0f);
            if (model.embedding_multiplier != 1) {
                const auto multiplier = static_cast<float>(model.embedding_multiplier);
                for (int64_t at = 0; at < model.hidden; ++at) to[at] *= multiplier;
            }
        }
        for (int64_t layer = 0; layer < model.layers; ++layer) {
            for (int64_t first = 0; first < count; first += batch.chunk) {
                const int64_t rows = std::min(batch.chunk, count - first);
                run_layer(layer, &tokens[first], rows, work.residual + first * size.hidden);
            }
        }
    }

    // Logits [rows, padded vocabulary] in `work.logits` of rows of hidden states, at most a chunk.
    void logits(const float* hidden, int64_t rows) {
        norm(hidden, model.final_norm, rows);
        product<Kind>(rows, model.hidden, size.vocabulary / lanes, work.normed, size.hidden, model.head, Then::store,
                      work.logits, nullptr, size.vocabulary);
        if (model.logits_scaling == 1 && model.final_cap == 0) return;
        const auto share = static_cast<float>(1 / model.logits_scaling), cap = static_cast<float>(model.final_cap);
        for (int64_t at = 0; at < rows * size.vocabulary; at += lanes) {
            const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(work.logits + at), _mm512_set1_ps(share));
            _mm512_storeu_ps(work.logits + at, cap > 0 ? soft_capped(scaled, cap) : scaled);
        }
    }

    // Moves hidden states of `rows`, which ascend, to the front.
    void gather(const std::vector<int64_t>& rows) {
        for (size_t at = 0; at < rows.size(); ++at) {
            std::memmove(work.residual + at * size.hidden, hidden(rows[at]), size.hidden * sizeof(float));
        }
    }

    const float* hidden(int64_t row) const { return work.residual + row * size.hidden; }
    float* logits_of(int64_t row) const { return work.logits + row * size.vocabulary; }

  private:
    const Model& model;
    Batch& batch;
    Sizes size;
    Workspace<Kind> work;

    void run_layer(int64_t index, const Token* tokens, int64_t rows, float* residual) {
        const Layer& layer = model.layer[index];
        norm(residual, layer.attention_norm, rows);
        product<Kind>(rows, model.hidden, size.qkv / lanes, work.normed, size.hidden, layer.qkv, Then::store, work.qkv,
                      nullptr, size.qkv);
        if (layer.qkv_bias) add_bias(work.qkv, layer.qkv_bias, size.qkv, rows);
        for (int64_t row = 0; row < rows; ++row) place(index, tokens[row], row);
        for (int64_t row = 0; row < rows; ++row) attend(index, tokens[row], row);
        add_product(work.mixed, size.query, layer.output, layer.output_bias, layer.after_attention_norm, rows, residual);
        norm(residual, layer.feed_forward_norm, rows);
        product<Kind>(rows, model.hidden, 2 * size.feed_forward / lanes, work.normed, size.hidden, layer.gate_up,
                      model.gelu ? Then::gated_gelu : Then::gated, nullptr, work.inner, size.feed_forward);
        add_product(work.inner, size.feed_forward, layer.down, nullptr, layer.after_feed_forward_norm, rows, residual);
    }

    // Adds rows [rows, terms] times weights to the residual stream, with bias, norm and multiplier where there are.
    void add_product(const Value* in, int64_t terms, const void* weights, const float* bias, const float* weight,
                     int64_t rows, float* residual) {
        if (!bias && !weight && model.residual_multiplier == 1) {
            product<Kind>(rows, terms, size.hidden / lanes, in, terms, weights, Then::add, residual, nullptr,
                          size.hidden);
            return;
        }
        product<Kind>(rows, terms, size.hidden / lanes, in, terms, weights, Then::store, work.delta, nullptr,
                      size.hidden);
        if (bias) add_bias(work.delta, bias, size.hidden, rows);
        const __m512 multiplier = _mm512_set1_ps(static_cast<float>(model.residual_multiplier));
        for (int64_t row = 0; row < rows; ++row) {
            const float* from = work.delta + row * size.hidden;
            float* to = residual + row * size.hidden;
            const __m512 scale = weight ? inverse_size(from) : _mm512_set1_ps(1.0f);
            for (int64_t at = 0; at < size.hidden; at += lanes) {
                __m512 value = _mm512_mul_ps(_mm512_loadu_ps(from + at), scale);
                if (weight) value = _mm512_mul_ps(value, _mm512_loadu_ps(weight + at));
                _mm512_storeu_ps(to + at, _mm512_fmadd_ps(value, multiplier, _mm512_loadu_ps(to + at)));
            }
        }
    }

    static void add_bias(float* values, const float* bias, int64_t width, int64_t rows) {
        for (int64_t row = 0; row < rows; ++row, values += width) {
            for (int64_t at = 0; at < width; at += lanes) {
                _mm512_storeu_ps(values + at, _mm512_add_ps(_mm512_loadu_ps(values + at), _mm512_loadu_ps(bias + at)));
            }
        }
    }

    // x / sqrt(mean(x^2) + epsilon) * weight (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4) into `work.normed`.
    // Without a weight the values go through as they are.
    void norm(const float* from, const float* weight, int64_t rows) {
        for (int64_t row = 0; row < rows; ++row, from += size.hidden) {
            Value* to = work.normed + row * size.hidden;
            if (!weight) {
                for (int64_t at = 0; at < size.hidden; at += lanes) Kind::store(to + at, _mm512_loadu_ps(from + at));
                continue;
            }
            const __m512 scale = inverse_size(from);
            for (int64_t at = 0; at < size.hidden; at += lanes) {
                const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(from + at), scale);
                Kind::store(to + at, _mm512_mul_ps(scaled, _mm512_loadu_ps(weight + at)));
            }
        }
    }

    // 1 / sqrt(mean(x^2) + epsilon) of a row of the hidden width.
    __m512 inverse_size(const float* from) const {
        __m512 squares = _mm512_setzero_ps();
        for (int64_t at = 0; at < size.hidden; at += lanes) {
            const __m512 values = _mm512_loadu_ps(from + at);
            squares = _mm512_fmadd_ps(values, values, squares);
        }
        const float mean = _mm512_reduce_add_ps(squares) / static_cast<float>(model.hidden);
        return _mm512_set1_ps(1.0f / std::sqrt(mean + static_cast<float>(model.epsilon)));
    }

    // Norms `count` runs of `width` values in place, all by one weight.
    void norm_runs(float* values, const float* weight, int64_t width, int64_t count) const {
        for (int64_t run = 0; run < count; ++run, values += width) {
            float squares = 0;
            for (int64_t at = 0; at < width; ++at) squares += values[at] * values[at];
            const float scale = 1.0f / std::sqrt(squares / width + static_cast<float>(model.epsilon));
            for (int64_t at = 0; at < width; ++at) values[at] *= scale * weight[at];
        }
    }

    void norm_queries_and_keys(const Layer& layer, float* heads) const {
        float* keys = heads + model.heads * model.width;
        if (model.whole_norm) {
            norm_runs(heads, layer.query_norm, model.heads * model.width, 1);
            norm_runs(keys, layer.key_norm, model.key_heads * model.width, 1);
        } else {
            norm_runs(heads, layer.query_norm, model.width, model.heads);
            norm_runs(keys, layer.key_norm, model.width, model.key_heads);
        }
    }

    Value* prefix_keys(int64_t layer, int64_t prefix, int64_t head) const {
        const int64_t place = (layer * batch.prefixes + prefix) * model.key_heads + head;
        return static_cast<Value*>(batch.prefix) + place * batch.prefix_length * (model.width + size.padded_width);
    }

    Value* own_keys(int64_t layer, int64_t slot, int64_t head) const {
        const int64_t place = (layer * batch.slots + slot) * model.key_heads + head;
        return static_cast<Value*>(batch.own) + place * batch.own_length * (model.width + size.padded_width);
    }

    // Norms and turns a row's queries and keys and stores queries, keys and values where attention reads.
    void place(int64_t layer, const Token& token, int64_t row) {
        float* heads = work.qkv + row * size.qkv;
        const int64_t half = model.width / 2;
        const int64_t position = token.prefix_visible + token.own_visible - 1;
        const Layer& weights = model.layer[layer];
        if (weights.query_norm) norm_queries_and_keys(weights, heads);
        if (weights.cosine) {
            const float *cosine = weights.cosine + position * half, *sine = weights.sine + position * half;
            for (int64_t head = 0; head < model.heads + model.key_heads; ++head) {
                float *first = heads + head * model.width, *second = first + half;
                for (int64_t at = 0; at < half; ++at) {
                    const float left = first[at], right = second[at];
                    first[at] = left * cosine[at] - right * sine[at];
                    second[at] = right * cosine[at] + left * sine[at];
                }
            }
        }
        const auto scale = static_cast<float>(model.scale);
        for (int64_t head = 0; head < model.heads; ++head) {
            Value* to = work.query + row * size.query + head * size.padded_width;
            const float* from = heads + head * model.width;
            for (int64_t at = 0; at < model.width; ++at) to[at] = Kind::narrow(from[at] * scale);
        }
        const float *keys = heads + model.heads * model.width, *values = keys + model.key_heads * model.width;
        for (int64_t head = 0; head < model.key_heads; ++head) {
            const bool own = token.own_visible > 0;
            Value* to = own ? own_keys(layer, token.slot, head) : prefix_keys(layer, token.prefix, head);
            const int64_t length = own ? batch.own_length : batch.prefix_length;
            const int64_t at = (own ? token.own_visible : token.prefix_visible) - 1;
            write_position<Kind>(to, to + length * model.width, at, model.width, keys + head * model.width,
                                 values + head * model.width);
        }
    }

    Part<Kind> prefix_part(int64_t layer, const Token& token, int64_t head) const {
        const Value* keys = prefix_keys(layer, token.prefix, head);
        return {keys, keys + batch.prefix_length * model.width, token.prefix_visible,
                std::min(unseen(layer, token), token.prefix_visible)};
    }

    Part<Kind> own_part(int64_t layer, const Token& token, int64_t head) const {
        const Value* keys = own_keys(layer, token.slot, head);
        return {keys, keys + batch.own_length * model.width, token.own_visible,
                std::max(unseen(layer, token) - token.prefix_visible, int64_t{0})};
    }

    // Positions before the window that a layer has, of the prefix and the row's own together.
    int64_t unseen(int64_t layer, const Token& token) const {
        const int64_t window = model.layer[layer].window;
        return window ? std::max(token.prefix_visible + token.own_visible - window, int64_t{0}) : 0;
    }

    void attend(int64_t layer, const Token& token, int64_t row) {
        const int64_t groups = model.heads / model.key_heads;
        for (int64_t head = 0; head < model.key_heads; ++head) {
            const int64_t at = row * size.query + head * groups * size.padded_width;
            attend_heads<Kind>(groups, work.query + at, model.width, prefix_part(layer, token, head),
                               own_part(layer, token, head), static_cast<float>(model.attention_cap), work.scores,
                               work.shares, size.shares, work.mixed + at);
        }
    }
};

// Draws a token for a slot and records it; true when the row goes on, -1 in `failed` marks broken logits.
bool draw(Batch& batch, Chooser& chooser, float* logits, int64_t vocabulary, int64_t slot, bool& failed) {
    const int64_t request = batch.request[slot], position = batch.length[request];
    const Choice choice = chooser.choose(logits, vocabulary, batch.request_name[request], position);
    failed |= std::isnan(choice.logprob);
    batch.ids[request * batch.results_width + position] = choice.token;
    batch.logprobs[request * batch.results_width + position] = choice.logprob;
    batch.length[request] = position + 1;
    batch.next_token[slot] = choice.token;
    const int64_t* last = batch.ends + batch.end_tokens;
    batch.ended[request] = std::find(batch.ends, last, choice.token) != last;
    const bool done = batch.ended[request] || position + 1 >= batch.limit[request];
    batch.finished += done;
    return !done;
}

// Keeps the order of running slots (rows of one prompt stay together) and lists the finished ones behind them.
void close_gaps(Batch& batch, const std::vector<bool>& goes_on) {
    std::vector<int64_t> gone;
    int64_t kept = 0;
    for (int64_t at = 0; at < static_cast<int64_t>(goes_on.size()); ++at) {
        if (goes_on[at]) batch.order[kept++] = batch.order[at];
        else gone.push_back(batch.order[at]);
    }
    std::copy(gone.begin(), gone.end(), batch.order + kept);
    batch.active = kept;
}

template <class Kind>
int64_t decode(const Model& model, Batch& batch, int64_t steps, int64_t enough) {
    Decoder<Kind> decoder(model, batch);
    Chooser chooser{batch.temperature, batch.top_p, batch.top_k, batch.seed, {}, {}};
    std::vector<Token> tokens;
    std::vector<bool> goes_on;
    bool failed = false;
    int64_t done = 0;
    while (done < steps && batch.active > enough) {
        tokens.clear();
        goes_on.clear();
        for (int64_t row = 0; row < batch.active; ++row) {
            const int64_t slot = batch.order[row], prefix = batch.prefix_of[slot];
            tokens.push_back({batch.next_token[slot], prefix, batch.prefix_filled[prefix], slot, ++batch.filled[slot]});
        }
        decoder.run(tokens);
        for (int64_t first = 0; first < batch.active; first += batch.chunk) {
            const int64_t rows = std::min(batch.chunk, batch.active - first);
            decoder.logits(decoder.hidden(first), rows);
            for (int64_t row = 0; row < rows; ++row) {
                const int64_t slot = batch.order[first + row];
                goes_on.push_back(draw(batch, chooser, decoder.logits_of(row), model.vocabulary, slot, failed));
            }
        }
        ++done;
        if (failed) return -1;
        close_gaps(batch, goes_on);
    }
    return done;
}

// Reads prompts (ids one after the other) into prefixes, each from position starts[prompt] on, and draws the first
// token of every new row. The new rows are the slots from order[active] on, rows_of[prompt] of them for each prompt.
template <class Kind>
int64_t admit(const Model& model, Batch& batch, const int64_t* ids, const int64_t* starts, const int64_t* lengths,
              const int64_t* prefixes, const int64_t* rows_of, int64_t prompts) {
    Decoder<Kind> decoder(model, batch);
    Chooser chooser{batch.temperature, batch.top_p, batch.top_k, batch.seed, {}, {}};
    std::vector<Token> tokens;
    std::vector<bool> goes_on(batch.active, true);
    std::vector<float> logits;
    bool failed = false;
    int64_t prompt = 0, at = starts[0];  // the next token to read
    int64_t answered = 0;                // the next prompt whose rows want their first token
    while (prompt < prompts) {
        tokens.clear();
        std::vector<int64_t> last_rows;
        while (prompt < prompts && static_cast<int64_t>(tokens.size()) < batch.workspace_rows) {
            tokens.push_back({*ids++, prefixes[prompt], ++at, 0, 0});
            if (at == lengths[prompt]) {
                last_rows.push_back(static_cast<int64_t>(tokens.size()) - 1);
                batch.prefix_filled[prefixes[prompt]] = at;
                if (++prompt < prompts) at = starts[prompt];
            }
        }
        decoder.run(tokens);
        const auto ready = static_cast<int64_t>(last_rows.size());
        decoder.gather(last_rows);
        for (int64_t first = 0; first < ready; first += batch.chunk) {
            const int64_t rows = std::min(batch.chunk, ready - first);
            decoder.logits(decoder.hidden(first), rows);
            for (int64_t row = 0; row < rows; ++row, ++answered) {
                for (int64_t copy = 0; copy < rows_of[answered]; ++copy) {
                    const int64_t slot = batch.order[goes_on.size()];
                    logits.assign(decoder.logits_of(row), decoder.logits_of(row + 1));
                    goes_on.push_back(draw(batch, chooser, logits.data(), model.vocabulary, slot, failed));
                }
            }
        }
    }
    if (failed) return -1;
    close_gaps(batch, goes_on);
    return 0;
}

}  // namespace
#endif

extern "C" {

// Bit 0: float32 can run here, bit 1: bfloat16 too.
int64_t decode_supports() {
#if defined(__AVX512BF16__) && defined(__AVX512F__)
    return 3;
#elif defined(__AVX512F__)
    return 1;
#else
    return 0;
#endif
}

#if defined(__AVX512BF16__) && defined(__AVX512F__)
#define BY_KIND(call_single, call_brain) (model->bfloat16 ? (call_brain) : (call_single))
#else
#define BY_KIND(call_single, call_brain) (call_single)
#endif

#ifdef __AVX512F__
// Bytes a batch's workspace needs, whose pointer may still be null.
int64_t decode_workspace(const Model* model, const Batch* batch) {
    return BY_KIND((Workspace<Single>(*model, *batch).bytes), (Workspace<Brain>(*model, *batch).bytes));
}

// Up to `steps` decode steps while more than `enough` rows run; returns the steps taken, -1 for broken logits.
int64_t decode_steps(const Model* model, Batch* batch, int64_t steps, int64_t enough) {
    return BY_KIND(decode<Single>(*model, *batch, steps, enough), decode<Brain>(*model, *batch, steps, enough));
}

// Admission of new rows, see `admit`; returns 0, or -1 for broken logits.
int64_t decode_admit(const Model* model, Batch* batch, const int64_t* ids, const int64_t* starts,
                     const int64_t* lengths, const int64_t* prefixes, const int64_t* rows_of, int64_t prompts) {
    return BY_KIND(admit<Single>(*model, *batch, ids, starts, lengths, prefixes, rows_of, prompts),
                   admit<Brain>(*model, *batch, ids, starts, lengths, prefixes, rows_of, prompts));
}
#endif

}  // extern "C"
