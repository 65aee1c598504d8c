// SPDX-License-Identifier: Apache-2.0
#include "run/file.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "element.hpp"
#include "failure.hpp"
#include "run/lengths.hpp"
#include "run/mask.hpp"
#include "run/reader.hpp"

namespace attnrt::cli {
namespace {

void read_q(RunReader& reader, const RunFlags& flags, RunFile& run) {
  const std::initializer_list<Dtype> floats{Dtype::F32, Dtype::F16, Dtype::BF16};
  if (flags.layout) run.order = static_cast<FourDims>(word(*flags.layout, {{"bhsd", 0}, {"bshd", 1}}));
  const bool four = reader.has("q") && reader.entry("q").shape.size() == 4;
  if (four) {
    run.q = reader.take("q", floats, {kAny, kAny, kAny, kAny},
                        run.order == FourDims::kBhsd ? "[B, H, S, D]" : "[B, S, H, D]");
    run.batch = run.q.shape[0];
    if (flags.flash_attn && !flags.layout)
      throw Failure(fmt::format("{} is of flash_attn, whose {} is [B, S, H, D], wanted metadata layout, bshd or bhsd",
                                flags.flash_attn->from, reader.spelling("q")));
    if (*run.batch > 1 << 20)
      throw Failure(fmt::format("{}: q has a batch of {}, wanted at most {}", run.path, *run.batch, 1 << 20));
    run.q = pack(std::move(run.q), run.order);
  } else {
    run.q = reader.take("q", floats, {kAny, kAny, kAny}, "[T, Hq, Dqk]");
  }
  if (run.num_heads() < 1 || run.head_size() < 1 || run.num_tokens() > kMost)
    throw Failure(
        fmt::format("{}: q has {} tokens, {} heads of {}, wanted at most {} tokens, and at least one head and column",
                    run.path, run.num_tokens(), run.num_heads(), run.head_size(), kMost));
}

/// Contiguous keys and values, or the rows that slot_mapping sends into the cache.
void read_kv(RunReader& reader, RunFile& run) {
  if (!reader.has("k") && !reader.has("v") && run.paged()) return;
  const Dtype dtype = run.q.dtype;
  if (run.batch) {
    const bool heads_first = run.order == FourDims::kBhsd;
    const char* words = heads_first ? "[B, Hkv, S, D]" : "[B, S, Hkv, D]";
    run.k = reader.take("k", {dtype}, {*run.batch, kAny, kAny, run.head_size()}, words);
    run.v = reader.take("v", {dtype}, {*run.batch, run.k->shape[1], run.k->shape[2], kAny}, words);
    run.k = pack(*std::move(run.k), run.order);
    run.v = pack(*std::move(run.v), run.order);
  } else if (run.latent) {
    run.k = reader.take("k", {dtype}, {kAny, 1, run.head_size_v}, "[N, 1, kv_lora]");
    run.v = reader.take("v", {dtype}, {run.k->shape[0], 1, run.head_size() - run.head_size_v}, "[N, 1, rope]");
  } else {
    run.k = reader.take("k", {dtype}, {kAny, run.paged() ? run.num_kv_heads : kAny, run.head_size()}, "[S, Hkv, Dqk]");
    run.v = reader.take("v", {dtype}, {run.k->shape[0], run.k->shape[1], run.paged() ? run.head_size_v : kAny},
                        "[S, Hkv, Dv]");
  }
  if (run.k->shape[0] > kMost)
    throw Failure(fmt::format("{}: k has {} rows, wanted at most {}", run.path, run.k->shape[0], kMost));
  if (run.paged()) {
    run.slot_mapping = reader.take("slot_mapping", {Dtype::I64}, {run.k->shape[0]}, "[N]");
    return;
  }
  run.num_kv_heads = run.k->shape[1];
  run.head_size_v = run.v->shape[2];
}

/// Puts the scales of a cache's rows behind them, where kernels look for them.
Array with_row_scales(const Array& cache, const Array& scales) {
  const auto width = static_cast<std::size_t>(cache.shape[3]), rows = static_cast<std::size_t>(scales.elements());
  const std::size_t step = (width + 3) / 4 * 4 + sizeof(float);
  Array to = make_array(cache.dtype, cache.shape, 0);
  to.shape[3] = static_cast<int64_t>(step);
  to.data.resize(rows * step);
  for (std::size_t row = 0; row < rows; ++row) {
    std::memcpy(to.data.data() + row * step, cache.data.data() + row * width, width);
    std::memcpy(to.data.data() + (row + 1) * step - sizeof(float), scales.as<float>() + row, sizeof(float));
  }
  return to;
}

/// Throws Failure for the first number that does not fit.
void want_numbers(const Array& array, const std::string& name, const std::string& path, const char* wanted,
                  bool (*fits)(double)) {
  for (int64_t i = 0; i < array.elements(); ++i)
    if (const double x = element(array, i); !fits(x))
      throw Failure(fmt::format("{}: {}[{}] is {}, wanted {}", path, name, i, x, wanted));
}

/// What a cache of 8 bits is multiplied by.
void read_scales(RunReader& reader, RunFile& run) {
  const std::pair<const char*, std::optional<Array>*> wholes[] = {{"k_scale", &run.k_scale}, {"v_scale", &run.v_scale}};
  const bool narrow = run.paged() && bytes_of(run.kv_dtype()) == 1;
  for (const auto& [name, to] : wholes) {
    if (!reader.has(name) || !narrow) continue;
    const bool one = reader.entry(name).shape == Shape{1};
    *to = reader.take(name, {Dtype::F32}, {one ? 1 : run.num_kv_heads}, one ? "[1]" : "[Hkv]");
    want_numbers(**to, reader.spelling(name), run.path, "finite numbers above 0",
                 [](double x) { return std::isfinite(x) && x > 0; });
  }
  if (!narrow || run.latent || !(reader.has("k_row_scales") || reader.has("v_row_scales"))) return;
  if (run.k_scale || run.v_scale)
    throw Failure(fmt::format("{}: there are k_scale or v_scale and scales of rows, wanted one kind", run.path));
  const Shape& k = run.k_cache->shape;
  const char* words = run.hnd ? "[num_blocks, Hkv, block_size]" : "[num_blocks, block_size, Hkv]";
  const Array k_rows = reader.take("k_row_scales", {Dtype::F32}, {k[0], k[1], k[2]}, words);
  const Array v_rows = reader.take("v_row_scales", {Dtype::F32}, {k[0], k[1], k[2]}, words);
  if (run.head_size() % 4 || run.head_size_v % 4)
    throw Failure(fmt::format("{}: rows of {} and {} with scales of their own, wanted multiples of 4", run.path,
                              run.head_size(), run.head_size_v));
  run.k_cache = with_row_scales(*run.k_cache, k_rows);
  run.v_cache = with_row_scales(*run.v_cache, v_rows);
  run.row_tail = sizeof(float);
}

void read_cache(RunReader& reader, const RunFlags& flags, RunFile& run) {
  const std::initializer_list<Dtype> dtypes{run.q.dtype, Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::I8};
  const ProblemFlags& p = flags.problem;
  const bool mla = p.mla && truth(*p.mla);
  const bool standard = reader.has("k_cache") || reader.has("v_cache");
  if (standard ? mla || reader.has("kv_cache") : !mla && reader.has("kv_cache"))
    throw Failure(
        fmt::format("{}: mla is {}, wanted kv_cache alone with mla, k_cache and v_cache without", run.path, mla));
  if (reader.has("kv_cache")) {
    run.latent = true;
    run.k_cache = reader.take("kv_cache", dtypes, {kAny, kAny, run.head_size()}, "[num_blocks, block_size, Dqk]");
    run.block_size = run.k_cache->shape[1];
    run.num_kv_heads = 1;
    run.head_size_v = p.head_size_v ? whole(*p.head_size_v, 1, run.head_size()) : run.head_size() - 64;
  } else if (standard) {
    if (p.kv_layout) run.hnd = word(*p.kv_layout, {{"nhd", 0}, {"hnd", 1}}) != 0;
    const char* words = run.hnd ? "[num_blocks, Hkv, block_size, D]" : "[num_blocks, block_size, Hkv, D]";
    run.k_cache = reader.take("k_cache", dtypes, {kAny, kAny, kAny, run.head_size()}, words);
    const Shape& k = run.k_cache->shape;
    run.v_cache = reader.take("v_cache", {run.k_cache->dtype}, {k[0], k[1], k[2], kAny}, words);
    run.block_size = k[run.hnd ? 2 : 1];
    run.num_kv_heads = k[run.hnd ? 1 : 2];
    run.head_size_v = run.v_cache->shape[3];
  }
  if (!run.paged()) return;
  if (run.batch) throw Failure(fmt::format("{}: q has four dimensions, wanted [T, Hq, Dqk] with a cache", run.path));
  if (run.block_size < 1 || run.head_size_v < 1)
    throw Failure(fmt::format("{}: the cache has blocks of {} tokens and values of {}, wanted at least 1 of each",
                              run.path, run.block_size, run.head_size_v));
  read_scales(reader, run);
}

void read_operands(RunReader& reader, RunFile& run) {
  const int64_t heads = run.num_heads();
  run.sinks = reader.maybe_floats("sinks", {heads}, "[Hq]");
  run.alibi_slopes = reader.maybe_floats("alibi_slopes", {heads}, "[Hq]");
  if (run.sinks)
    want_numbers(*run.sinks, reader.spelling("sinks"), run.path, "finite numbers, or -inf for none",
                 [](double x) { return std::isfinite(x) || x == -std::numeric_limits<double>::infinity(); });
  if (run.alibi_slopes)
    want_numbers(*run.alibi_slopes, reader.spelling("alibi_slopes"), run.path, "finite numbers",
                 [](double x) { return std::isfinite(x); });
  const std::initializer_list<Dtype> floats{Dtype::F32, Dtype::F16, Dtype::BF16};
  if (run.batch) {
    const int64_t b = *run.batch, s = b ? run.num_tokens() / b : kAny, d = run.head_size_v;
    const bool heads_first = run.order == FourDims::kBhsd;
    run.expected_out = reader.maybe("expected.out", floats, heads_first ? Shape{b, heads, s, d} : Shape{b, s, heads, d},
                                    heads_first ? "[B, H, S, Dv]" : "[B, S, H, Dv]");
    if (run.expected_out) run.expected_out = pack(*std::move(run.expected_out), run.order);
  } else {
    run.expected_out = reader.maybe("expected.out", floats, {run.num_tokens(), heads, run.head_size_v}, "[T, Hq, Dv]");
  }
  run.expected_lse = reader.maybe("expected.lse", {Dtype::F32}, {run.num_tokens(), heads}, "[T, Hq]");
}

}  // namespace

int64_t RunFile::keys(int64_t request) const noexcept {
  const auto r = static_cast<std::size_t>(request);
  if (!kv_lens.empty()) return kv_lens[r];
  return paged() ? seq_lens[r] : int64_t{kv_start_loc[r + 1]} - kv_start_loc[r];
}

int64_t RunFile::longest_query() const noexcept {
  int64_t longest = 0;
  for (std::size_t r = 1; r < query_start_loc.size(); ++r)
    longest = std::max(longest, int64_t{query_start_loc[r]} - query_start_loc[r - 1]);
  return std::min(longest, num_tokens());
}

RunFile read_run_file(const Safetensors& file, const RunNames& names, const RunFlags& flags) {
  RunReader reader(file, names);
  RunFile run;
  run.path = file.path();
  read_q(reader, flags, run);
  read_cache(reader, flags, run);
  read_kv(reader, run);
  const ProblemFlags& p = flags.problem;
  const bool decoder = !p.attn_type || lower(p.attn_type->text) == "decoder";
  const bool flagged = p.causal && p.causal->from.rfind("--", 0) == 0;  // a flag wins over the file
  const bool per_request = reader.has("causal_per_request") && !flagged;
  const bool causal = per_request || (p.causal ? truth(*p.causal) : decoder);
  const bool window = p.sliding_window || flags.window_size;
  read_lengths(reader, {causal, flags.top_left, causal || window || reader.has("alibi_slopes")}, run);
  if (per_request) {
    const Array array = reader.take("causal_per_request", {Dtype::U8}, {run.num_seqs()}, "[R]");
    run.causal.assign(array.as<uint8_t>(), array.as<uint8_t>() + array.elements());
  }
  if (flagged) reader.skip("causal_per_request");
  read_operands(reader, run);
  read_mask(reader, run);
  reader.want_all_read();
  if (flags.enable_gqa && !truth(*flags.enable_gqa) && run.num_heads() != run.num_kv_heads)
    throw Failure(fmt::format("{} is '{}', wanted true for {} query heads over {} key heads", flags.enable_gqa->from,
                              flags.enable_gqa->text, run.num_heads(), run.num_kv_heads));
  if (flags.flash_attn && run.alibi_slopes && !causal)
    throw Failure(
        fmt::format("{} is of flash_attn, whose alibi_slopes without causal fall with the distance on both "
                    "sides, wanted causal true: here they rise to the right",
                    flags.flash_attn->from));
  return run;
}

}  // namespace attnrt::cli
