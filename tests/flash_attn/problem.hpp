// SPDX-License-Identifier: Apache-2.0
//
// Small batches for one kernel, and what is right of them in float64.
#ifndef ATTNRT_TESTS_FLASH_ATTN_PROBLEM_HPP
#define ATTNRT_TESTS_FLASH_ATTN_PROBLEM_HPP
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "element.hpp"

namespace attnrt::flash::test {

enum class Element { kHalf, kBfloat };

inline float widen(Element element, uint16_t bits) {
  return element == Element::kHalf ? emulator::from_half(bits) : emulator::from_bfloat(bits);
}
inline uint16_t narrow(Element element, float value) {
  return element == Element::kHalf ? emulator::to_half(value) : emulator::to_bfloat(value);
}
inline double roundoff(Element element) { return element == Element::kHalf ? 0x1p-11 : 0x1p-8; }

struct Request {
  int queries, keys;  ///< keys: of all ranks
};

/// What is asked, and the numbers.
struct Problem {
  const char* name = nullptr;
  Element element = Element::kHalf;
  std::vector<Request> requests{};
  int heads = 1, kv_heads = 1, head_size = 64, head_size_v = 64;
  int block_size = 48;  ///< 0: keys are contiguous
  bool causal = true;
  int window_left = -1, window_right = -1;
  float softcap = 0, loudness = 1;  ///< loudness: of the scores
  bool alibi = false, sinks = false;
  int cp_size = 1, cp_rank = 0, cp_interleave = 1;
  int splits = 1;
  bool e4m3 = false;      ///< K and V are bytes, with scales of requests and heads
  bool latent = false;    ///< V is the first columns of K
  bool decisive = false;  ///< all values are 1, one late key has most of the weight: out is 1 to a quarter of a step

  std::vector<uint16_t> q{}, k{}, v{};  ///< [tokens, heads, d], [rank's keys, kv_heads, d]; e4m3: a byte each
  std::vector<float> sink{}, slope{}, k_scale{}, v_scale{};
  std::vector<double> out{}, bound{}, lse{};  ///< bound: sum of weight times size of the value

  int tokens() const {
    int sum = 0;
    for (const Request& r : requests) sum += r.queries;
    return sum;
  }
  /// How many of a request's keys are this rank's.
  int own_keys(const Request& r) const {
    int count = 0;
    for (int position = 0; position < r.keys; ++position) count += position / cp_interleave % cp_size == cp_rank;
    return count;
  }
  int key_position(int key) const {
    return (key / cp_interleave * cp_size + cp_rank) * cp_interleave + key % cp_interleave;
  }
  float scale() const { return decisive ? std::log(2.0f) : loudness / std::sqrt(static_cast<float>(head_size)); }

  void make() {
    int keys = 0;
    for (const Request& r : requests) keys += own_keys(r);
    q = random_numbers(tokens() * heads * head_size, 1, false);
    k = random_numbers(keys * kv_heads * head_size, 2, e4m3);
    v = random_numbers(keys * kv_heads * head_size_v, 3, e4m3);
    for (int h = 0; h < heads; ++h) {
      if (sinks) sink.push_back(4.5f - static_cast<float>(2 * h));
      if (alibi) slope.push_back(std::exp2(-2.0f - static_cast<float>(h)));
    }
    for (std::size_t i = 0; e4m3 && i < requests.size() * static_cast<std::size_t>(kv_heads); ++i) {
      k_scale.push_back(0.5f + 0.125f * static_cast<float>(i));
      v_scale.push_back(1.5f - 0.125f * static_cast<float>(i));
    }
    if (decisive) decide();
    attend();
  }

  float key(std::size_t at) const { return stored(k[at]); }
  float value(std::size_t at) const { return stored(v[at]); }

 private:
  float stored(uint16_t bits) const {
    return e4m3 ? emulator::from_e4m3(static_cast<uint8_t>(bits)) : widen(element, bits);
  }

  std::vector<uint16_t> random_numbers(int count, unsigned seed, bool bytes) const {
    std::mt19937 random(seed);
    std::vector<uint16_t> numbers(static_cast<std::size_t>(count));
    for (uint16_t& number : numbers) {
      const float value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 500.0f;
      number = bytes ? emulator::to_fp8(value, 4) : narrow(element, value);
    }
    return numbers;
  }

  // Scores count in powers of two and are those of the first column: -8 but for one late key, between -1 and 0, so that
  // above the level of the first tile its probability is the number that rounding makes smallest.
  void decide() {
    std::fill(q.begin(), q.end(), uint16_t{0});
    std::fill(k.begin(), k.end(), uint16_t{0});
    std::fill(v.begin(), v.end(), narrow(element, 1));
    for (int row = 0; row < tokens() * heads; ++row) q[static_cast<std::size_t>(row * head_size)] = narrow(element, 1);
    float best = -0.5f;
    double lost = 0;
    for (int i = 1; i < 255; ++i) {
      const float score = widen(element, narrow(element, -static_cast<float>(i) / 256)), p = std::exp2(score + 8);
      const double now = widen(element, narrow(element, p)) / static_cast<double>(p) - 1;
      if (now < lost) lost = now, best = score;
    }
    const int keys = requests[0].keys;
    for (int j = 0; j < keys * kv_heads; ++j)
      k[static_cast<std::size_t>(j * head_size)] = narrow(element, j / kv_heads == keys - 2 ? best : -8.0f);
  }

  bool seen(const Request& r, int i, int key) const {
    const int query = r.keys - r.queries + i, position = key_position(key);
    return !(causal && position > query) && !(window_left >= 0 && position < query - window_left) &&
           !(window_right >= 0 && position > query + window_right);
  }

  void attend() {
    const auto at = [](int i) { return static_cast<std::size_t>(i); };
    out.resize(at(tokens() * heads * head_size_v)), bound.resize(out.size()), lse.resize(at(tokens() * heads));
    int token = 0, first_key = 0;
    for (std::size_t n = 0; n < requests.size(); first_key += own_keys(requests[n]), ++n)
      for (int i = 0; i < requests[n].queries; ++i, ++token)
        for (int h = 0; h < heads; ++h) {
          const Request& r = requests[n];
          const int kv_head = h / (heads / kv_heads), keys = own_keys(r);
          const std::size_t scales = n * at(kv_heads) + at(kv_head);
          std::vector<double> score(at(keys), -INFINITY);
          double top = sinks ? sink[at(h)] : -INFINITY, total = 0;
          for (int j = 0; j < keys; ++j) {
            if (!seen(r, i, j)) continue;
            double s = 0;
            for (int d = 0; d < head_size; ++d)
              s += double{widen(element, q[at((token * heads + h) * head_size + d)])} *
                   double{key(at(((first_key + j) * kv_heads + kv_head) * head_size + d))};
            s *= double{scale()} * (e4m3 ? double{k_scale[scales]} : 1);
            if (softcap > 0) s = double{softcap} * std::tanh(s / double{softcap});
            if (alibi) s += double{slope[at(h)]} * (key_position(j) - (r.keys - r.queries + i));
            top = std::max(top, score[at(j)] = s);
          }
          if (sinks) total = std::exp(double{sink[at(h)]} - top);
          const int width = latent ? head_size : head_size_v;
          for (int j = 0; j < keys; ++j) {
            if (score[at(j)] == -INFINITY) continue;
            const double weight = std::exp(score[at(j)] - top);
            total += weight;
            for (int d = 0; d < head_size_v; ++d) {
              const std::size_t place = at(((first_key + j) * kv_heads + kv_head) * width + d);
              const double x = double{latent ? key(place) : value(place)} * (e4m3 ? double{v_scale[scales]} : 1);
              out[at((token * heads + h) * head_size_v + d)] += weight * x;
              bound[at((token * heads + h) * head_size_v + d)] += weight * std::fabs(x);
            }
          }
          lse[at(token * heads + h)] = total > 0 ? top + std::log(total) : -INFINITY;
          for (int d = 0; d < head_size_v && total > 0; ++d) {
            out[at((token * heads + h) * head_size_v + d)] /= total;
            bound[at((token * heads + h) * head_size_v + d)] /= total;
          }
        }
  }
};

}  // namespace attnrt::flash::test
#endif
