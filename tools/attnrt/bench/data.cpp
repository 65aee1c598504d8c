// SPDX-License-Identifier: Apache-2.0
#include "bench/data.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <new>
#include <random>

#include "element.hpp"

namespace attnrt::cli {
namespace {

constexpr std::size_t kLargePage = std::size_t{2} << 20;
constexpr std::size_t kSamples = 24;

Dtype file_dtype(uint32_t type) {
  return type == ATTNRT_FP32 ? Dtype::F32 : type == ATTNRT_FP16 ? Dtype::F16 : Dtype::BF16;
}

/// The bits of a number that the dtype holds exactly.
uint32_t bits_of(double exact, Dtype dtype) {
  const auto single = std::bit_cast<uint32_t>(static_cast<float>(exact));
  if (dtype == Dtype::F32) return single;
  if (dtype == Dtype::BF16) return single >> 16;
  const uint32_t sign = single >> 16 & 0x8000u;
  const double size = std::fabs(exact);
  if (size < std::ldexp(1.0, -14)) return sign | static_cast<uint32_t>(std::ldexp(size, 24));
  const int exponent = std::ilogb(size);
  return sign | static_cast<uint32_t>((exponent + 15) << 10) |
         (static_cast<uint32_t>(std::ldexp(size, 10 - exponent)) - 1024u);
}

/// Normal deviates come from a table in a pseudo-random order: a gigabyte of them takes no minute.
class Noise {
 public:
  explicit Noise(uint32_t type) : bytes_(static_cast<std::size_t>(sdk::dtype_bytes(type))) {
    std::mt19937 generator(7);
    std::normal_distribution<double> normal;
    const Dtype dtype = file_dtype(type);
    for (uint32_t& word : table_) word = bits_of(rounded(normal(generator), dtype), dtype);
  }
  LargeBytes rows(int64_t count) {
    const auto n = static_cast<std::size_t>(count);
    LargeBytes memory(n * bytes_);
    for (std::size_t i = 0; i < n; ++i) {
      state_ = state_ * 1664525u + 1013904223u;
      std::memcpy(memory.data() + i * bytes_, &table_[state_ >> 16], bytes_);  // little-endian, as the kernels are
    }
    return memory;
  }

 private:
  std::size_t bytes_;
  uint32_t state_ = 1;
  std::vector<uint32_t> table_ = std::vector<uint32_t>(65536);
};

/// Row `index` of rows of `width` elements as numbers.
std::vector<double> row(const std::byte* data, uint32_t type, int64_t index, int64_t width) {
  Array array = make_array(file_dtype(type), {width}, 0);
  std::memcpy(array.data.data(), data + index * width * sdk::dtype_bytes(type), array.data.size());
  std::vector<double> numbers(static_cast<std::size_t>(width));
  for (int64_t i = 0; i < width; ++i) numbers[static_cast<std::size_t>(i)] = element(array, i);
  return numbers;
}

}  // namespace

LargeBytes::LargeBytes(std::size_t bytes) {
  mapped_ = (bytes + 2 * kLargePage - 1) / kLargePage * kLargePage;
  map_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map_ == MAP_FAILED) {
    map_ = nullptr;
    throw std::bad_alloc();
  }
  const auto address = reinterpret_cast<std::uintptr_t>(map_);
  data_ = reinterpret_cast<std::byte*>((address + kLargePage - 1) / kLargePage * kLargePage);
  ::madvise(map_, mapped_, MADV_HUGEPAGE);
}

LargeBytes::~LargeBytes() {
  if (map_) ::munmap(map_, mapped_);
}

BenchData::BenchData(const BenchCase& c, uint32_t type) : shape(c), dtype(type) {
  Noise noise(type);
  q = noise.rows(c.num_tokens() * c.num_heads * c.head_size);
  k = noise.rows(c.num_keys() * c.num_kv_heads * c.head_size);
  if (!c.latent()) v = noise.rows(c.num_keys() * c.num_kv_heads * c.head_size_v());
  for (int64_t h = 0; h < c.num_heads && c.sinks; ++h) sinks.push_back(static_cast<float>(h % 5) - 2);
  for (int64_t h = 1; h <= c.num_heads && c.alibi; ++h)
    alibi_slopes.push_back(std::exp2(-8 * static_cast<float>(h) / static_cast<float>(c.num_heads)));
  const auto share = [&](LargeBytes& rows, int64_t width) {
    const int64_t row = c.num_kv_heads * width * sdk::dtype_bytes(type);
    int64_t first = 0;
    for (const auto& r : c.requests) {
      if (first > 0)
        std::memcpy(rows.data() + first * row, rows.data(), static_cast<std::size_t>(c.shared_prefix * row));
      first += r.keys;
    }
  };
  if (c.shared_prefix == 0) return;
  share(k, c.head_size);
  if (!c.latent()) share(v, c.head_size_v());
}

double BenchData::error(const std::byte* out) const {
  const BenchCase& c = shape;
  std::mt19937 generator(1);
  const auto below = [&generator](int64_t n) { return static_cast<int64_t>(generator() % static_cast<uint64_t>(n)); };
  const std::size_t samples = std::max(kSamples, c.requests.size());
  const int64_t width = c.head_size, width_v = c.head_size_v();
  const double scale = 1 / std::sqrt(static_cast<double>(c.mla ? 192 : width));
  std::vector<int64_t> first_query{0}, first_key{0};
  for (const auto& r : c.requests) {
    first_query.push_back(first_query.back() + r.queries);
    first_key.push_back(first_key.back() + r.keys);
  }
  double wrong = 0, whole = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t r = i % c.requests.size();
    const auto [queries, keys] = c.requests[r];
    const int64_t query = below(queries), head = below(c.num_heads);
    const BenchCase::Keys seen = c.seen(c.requests[r], query);
    const int64_t group = head / (c.num_heads / c.num_kv_heads);
    const int64_t at = (first_query[r] + query) * c.num_heads + head;
    const std::vector<double> q_row = row(q.data(), dtype, at, width);
    std::vector<double> sum(static_cast<std::size_t>(width_v));
    const auto of_head = [head](const std::vector<float>& all) { return double{all[static_cast<std::size_t>(head)]}; };
    double total = sinks.empty() ? 0 : std::exp(of_head(sinks));
    for (int64_t j = seen.first; j < seen.last; ++j) {
      const int64_t k_at = (first_key[r] + j) * c.num_kv_heads + group;
      const std::vector<double> k_row = row(k.data(), dtype, k_at, width);
      const std::vector<double> v_row = c.latent() ? k_row : row(v.data(), dtype, k_at, width_v);
      double score = 0;
      for (std::size_t d = 0; d < q_row.size(); ++d) score += q_row[d] * k_row[d];
      score *= scale;
      if (c.softcap > 0) score = c.softcap * std::tanh(score / c.softcap);
      if (!alibi_slopes.empty()) score += of_head(alibi_slopes) * static_cast<double>(j - (keys - queries + query));
      const double weight = std::exp(score);
      total += weight;
      for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += weight * v_row[d];
    }
    const std::vector<double> seen_row = row(out, dtype, at, width_v);
    for (std::size_t d = 0; d < sum.size(); ++d) {
      const double wanted = sum[d] / total;
      wrong += (seen_row[d] - wanted) * (seen_row[d] - wanted);
      whole += wanted * wanted;
    }
  }
  return std::sqrt(wrong / whole);
}

}  // namespace attnrt::cli
