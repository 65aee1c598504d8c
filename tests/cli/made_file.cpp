// SPDX-License-Identifier: Apache-2.0
#include "made_file.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "program.hpp"
#include "scratch.hpp"

using namespace attnrt::cli;

namespace {

std::mt19937 generator(7);

}  // namespace

uint32_t random_bits() { return static_cast<uint32_t>(generator()); }

Array noise(Shape shape) {
  Array array = make_array(Dtype::F32, std::move(shape), 0);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < array.elements(); ++i) array.as<float>()[i] = normal(generator);
  return array;
}

Array ints(std::initializer_list<int32_t> values) {
  Array array = make_array(Dtype::I32, {static_cast<int64_t>(values.size())}, 0);
  std::copy(values.begin(), values.end(), array.as<int32_t>());
  return array;
}

void expect(Tensors& file, const Array& q, const Array& k, const Array& v, int64_t dv,
            const std::vector<Request>& requests, const Attention& a) {
  const int64_t heads = q.shape[1], d = q.shape[2], kv_heads = k.shape[1], v_width = v.shape[2];
  Array out = make_array(Dtype::F32, {q.shape[0], heads, dv}, 0), lse = make_array(Dtype::F32, {q.shape[0], heads}, 0);
  int64_t request = -1;
  for (const Request& r : requests) {
    ++request;
    for (int64_t i = 0; i < r.queries; ++i)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t position = r.seq_len - r.queries + i, kv_head = h / (heads / kv_heads);
        constexpr double hidden = -std::numeric_limits<double>::infinity();
        std::vector<double> sum(static_cast<std::size_t>(dv)), scores(static_cast<std::size_t>(r.keys), hidden);
        double top = a.sinks ? static_cast<double>(a.sinks->as<float>()[h]) : hidden;
        for (int64_t j = 0; j < r.keys; ++j) {
          if ((a.causal && j > position) || (a.left >= 0 && j < position - a.left) ||
              (a.right >= 0 && j > position + a.right))
            continue;
          double score = 0;
          for (int64_t c = 0; c < d; ++c)
            score += static_cast<double>(q.as<float>()[((r.q0 + i) * heads + h) * d + c]) *
                     static_cast<double>(k.as<float>()[((r.k0 + j) * kv_heads + kv_head) * d + c]);
          score *= a.scale;
          if (a.softcap > 0) score = a.softcap * std::tanh(score / a.softcap);
          if (a.slopes) score += static_cast<double>(a.slopes->as<float>()[h]) * static_cast<double>(j - position);
          if (a.bias) score += a.bias(request, h, i, j);
          scores[static_cast<std::size_t>(j)] = score;
          top = std::max(top, score);
        }
        double total = a.sinks ? std::exp(static_cast<double>(a.sinks->as<float>()[h]) - top) : 0;
        for (int64_t j = 0; j < r.keys && top > hidden; ++j) {
          const double weight = std::exp(scores[static_cast<std::size_t>(j)] - top);
          total += weight;
          for (int64_t c = 0; c < dv && weight > 0; ++c)
            sum[static_cast<std::size_t>(c)] +=
                weight * static_cast<double>(v.as<float>()[((r.k0 + j) * kv_heads + kv_head) * v_width + c]);
        }
        const int64_t row = (r.q0 + i) * heads + h;
        lse.as<float>()[row] = static_cast<float>(top + std::log(total));
        for (int64_t c = 0; c < dv; ++c)
          out.as<float>()[row * dv + c] = total > 0 ? static_cast<float>(sum[static_cast<std::size_t>(c)] / total) : 0;
      }
  }
  file["expected.out"] = std::move(out);
  file["expected.lse"] = std::move(lse);
}

void write_file(const std::string& path, const Tensors& tensors, const Words& metadata) {
  std::map<std::string, const Array*> all;
  for (const auto& [name, array] : tensors) all[name] = &array;
  write_safetensors(path, all, metadata);
}

boost::json::value check_file(const Tensors& tensors, const Words& metadata, const std::string& flags, int status) {
  const Scratch scratch("made");
  write_file(scratch.file("made.safetensors"), tensors, metadata);
  return attnrt_json("run --json " + scratch.file("made.safetensors") + " " + flags, status);
}

void check_refused(const Tensors& tensors, const Words& metadata, const std::string& sentence,
                   const std::string& flags) {
  const Scratch scratch("refused");
  write_file(scratch.file("refused.safetensors"), tensors, metadata);
  const Outcome outcome = attnrt_program("run " + scratch.file("refused.safetensors") + " " + flags);
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, Catch::StartsWith("attnrt: ") && Catch::Contains(sentence));
}
