// SPDX-License-Identifier: Apache-2.0
#include "run_file.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "failure.hpp"

namespace attnrt::cli {
namespace {

constexpr int64_t kAny = -1;
constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - 1;  // lengths and offsets of the API are int32

/// Reads tensors and says what is wrong with them.
class Reader {
 public:
  explicit Reader(const Safetensors& file) : file_(file) {}

  bool has(const char* name) const { return file_.has(name); }
  const Entry& entry(const char* name) const { return file_.header().tensors.at(name); }

  /// A tensor of one of the dtypes and of this shape, kAny where a size is free; `words` is the shape for the sentence.
  Array take(const char* name, std::initializer_list<Dtype> dtypes, const Shape& want, const char* words) const {
    if (!has(name))
      throw Failure(fmt::format("{} has no tensor '{}', wanted {}", file_.path(), name, wanted(dtypes, want, words)));
    const Entry& found = entry(name);
    bool fits =
        std::find(dtypes.begin(), dtypes.end(), found.dtype) != dtypes.end() && found.shape.size() == want.size();
    for (std::size_t i = 0; fits && i < want.size(); ++i)
      fits = (want[i] == kAny || want[i] == found.shape[i]) && found.shape[i] <= kMost;
    if (!fits)
      throw Failure(fmt::format("{}: tensor '{}' is {} {}, wanted {}", file_.path(), name, name_of(found.dtype),
                                text_of(found.shape), wanted(dtypes, want, words)));
    return file_.read(name);
  }

  std::optional<Array> maybe(const char* name, std::initializer_list<Dtype> dtypes, const Shape& want,
                             const char* words) const {
    return has(name) ? std::optional<Array>(take(name, dtypes, want, words)) : std::nullopt;
  }

  std::vector<int32_t> lengths(const char* name, int64_t count, const char* words) const {
    const Array array = take(name, {Dtype::I32}, {count}, words);
    return {array.as<int32_t>(), array.as<int32_t>() + array.elements()};
  }

 private:
  static std::string wanted(std::initializer_list<Dtype> dtypes, const Shape& want, const char* words) {
    std::string out, sizes;
    for (const Dtype dtype : dtypes) out += fmt::format("{}{}", out.empty() ? "" : " or ", name_of(dtype));
    for (const int64_t size : want)
      sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size == kAny ? std::string("any") : std::to_string(size));
    return fmt::format("{} {} = [{}]", out, words, sizes);
  }

  const Safetensors& file_;
};

void read_q(const Reader& reader, const RunFlags& flags, RunFile& run) {
  const std::initializer_list<Dtype> floats{Dtype::F32, Dtype::F16, Dtype::BF16};
  if (flags.layout) run.order = static_cast<FourDims>(word(*flags.layout, {{"bhsd", 0}, {"bshd", 1}}));
  const bool four = reader.has("q") && reader.entry("q").shape.size() == 4;
  if (four) {
    run.q = reader.take("q", floats, {kAny, kAny, kAny, kAny},
                        run.order == FourDims::kBhsd ? "[B, H, S, D]" : "[B, S, H, D]");
    run.batch = run.q.shape[0];
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
void read_kv(const Reader& reader, RunFile& run) {
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

/// What a cache of 8 bits is multiplied by.
void read_scales(const Reader& reader, RunFile& run) {
  const std::pair<const char*, std::optional<Array>*> wholes[] = {{"k_scale", &run.k_scale}, {"v_scale", &run.v_scale}};
  const bool narrow = run.paged() && bytes_of(run.kv_dtype()) == 1;
  for (const auto& [name, to] : wholes) {
    if (!reader.has(name) || !narrow) continue;  // without such a cache a tensor of that name is somebody else's
    const bool one = reader.entry(name).shape == Shape{1};
    *to = reader.take(name, {Dtype::F32}, {one ? 1 : run.num_kv_heads}, one ? "[1]" : "[Hkv]");
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

void read_cache(const Reader& reader, const RunFlags& flags, RunFile& run) {
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

std::vector<int32_t> evenly(int64_t parts, int64_t rows) {
  std::vector<int32_t> start(static_cast<std::size_t>(parts) + 1);
  for (std::size_t i = 0; i < start.size(); ++i)
    start[i] = static_cast<int32_t>(parts ? rows / parts * static_cast<int64_t>(i) : 0);
  return start;
}

void read_lengths(const Reader& reader, bool causal, RunFile& run) {
  if (run.batch && (reader.has("query_start_loc") || reader.has("kv_start_loc")))
    throw Failure(fmt::format(
        "{}: query_start_loc or kv_start_loc is there, wanted neither with a q of four dimensions", run.path));
  run.query_start_loc = reader.has("query_start_loc") ? reader.lengths("query_start_loc", kAny, "[R + 1]")
                                                      : evenly(run.batch.value_or(1), run.num_tokens());
  if (run.query_start_loc.empty())
    throw Failure(fmt::format("{}: query_start_loc is empty, wanted R + 1 offsets", run.path));
  const int64_t requests = run.num_seqs();
  if (!run.paged()) {
    const int64_t rows = run.k->shape[0];
    if (reader.has("kv_start_loc")) {
      run.kv_start_loc = reader.lengths("kv_start_loc", requests + 1, "[R + 1]");
    } else if (run.batch || requests == 1) {
      run.kv_start_loc = evenly(requests, rows);
    } else if (rows == run.num_tokens()) {
      run.kv_start_loc = run.query_start_loc;
    } else {
      throw Failure(fmt::format("{} has no tensor 'kv_start_loc', wanted it: k has {} rows, q {}", run.path, rows,
                                run.num_tokens()));
    }
    if (run.kv_start_loc.back() != rows)
      throw Failure(fmt::format("{}: kv_start_loc ends at {}, wanted {}, the rows of k", run.path,
                                run.kv_start_loc.back(), rows));
  }
  if (reader.has("kv_lens")) run.kv_lens = reader.lengths("kv_lens", requests, "[R]");
  if (run.paged() || reader.has("seq_lens")) {
    run.seq_lens = reader.lengths("seq_lens", requests, "[R]");
  } else {
    // Where no mask looks at positions, more queries than keys are no mistake.
    for (std::size_t r = 0; r < static_cast<std::size_t>(requests); ++r) {
      const int64_t keys = int64_t{run.kv_start_loc[r + 1]} - run.kv_start_loc[r];
      const int64_t queries = int64_t{run.query_start_loc[r + 1]} - run.query_start_loc[r];
      run.seq_lens.push_back(
          static_cast<int32_t>(std::clamp<int64_t>(causal ? keys : std::max(keys, queries), INT32_MIN, INT32_MAX)));
    }
  }
  if (!run.paged()) return;
  const Array table = reader.take("block_table", {Dtype::I32}, {requests, kAny}, "[R, W]");
  run.block_table.assign(table.as<int32_t>(), table.as<int32_t>() + table.elements());
  run.table_width = table.shape[1];
}

void read_operands(const Reader& reader, RunFile& run) {
  const int64_t heads = run.num_heads();
  run.sinks = reader.maybe("sinks", {Dtype::F32}, {heads}, "[Hq]");
  run.alibi_slopes = reader.maybe("alibi_slopes", {Dtype::F32}, {heads}, "[Hq]");
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

RunFile read_run_file(const Safetensors& file, const RunFlags& flags) {
  const Reader reader(file);
  RunFile run;
  run.path = file.path();
  read_q(reader, flags, run);
  read_cache(reader, flags, run);
  read_kv(reader, run);
  const ProblemFlags& p = flags.problem;
  const bool decoder = !p.attn_type || lower(p.attn_type->text) == "decoder";
  const bool flagged = p.causal && p.causal->from.rfind("--", 0) == 0;  // a flag wins over the file
  const bool per_request = reader.has("causal_per_request") && !flagged;
  read_lengths(reader, per_request || (p.causal ? truth(*p.causal) : decoder), run);
  if (per_request) {
    const Array array = reader.take("causal_per_request", {Dtype::U8}, {run.num_seqs()}, "[R]");
    run.causal.assign(array.as<uint8_t>(), array.as<uint8_t>() + array.elements());
  }
  read_operands(reader, run);
  return run;
}

}  // namespace attnrt::cli
