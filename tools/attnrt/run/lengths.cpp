// SPDX-License-Identifier: Apache-2.0
#include "run/lengths.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "failure.hpp"

namespace attnrt::cli {
namespace {

std::vector<int32_t> evenly(int64_t parts, int64_t rows) {
  std::vector<int32_t> start(static_cast<std::size_t>(parts) + 1);
  for (std::size_t i = 0; i < start.size(); ++i)
    start[i] = static_cast<int32_t>(parts ? rows / parts * static_cast<int64_t>(i) : 0);
  return start;
}

constexpr int32_t kMostSeqLen = 1 << 24;  ///< tokens of one request; memory for partial results grows with them

/// Offsets ascend from 0 or later to at most `rows`. Memory is sized by them, so they are looked at before.
void check_offsets(const std::string& name, const std::vector<int32_t>& offsets, int64_t rows, const RunFile& run) {
  int32_t least = 0;
  for (std::size_t r = 0; r < offsets.size(); ++r) {
    if (offsets[r] < least || offsets[r] > rows)
      throw Failure(fmt::format("{}: {}[{}] is {}, wanted at least {} and at most {}, the rows there are", run.path,
                                name, r, offsets[r], least, rows));
    least = offsets[r];
  }
}

void check_lengths(const std::string& name, const std::vector<int32_t>& lengths, const RunFile& run) {
  for (std::size_t r = 0; r < lengths.size(); ++r)
    if (lengths[r] > kMostSeqLen)
      throw Failure(fmt::format("{}: {}[{}] is {}, wanted at most {}", run.path, name, r, lengths[r], kMostSeqLen));
}

/// Where the queries stand: the last query at the last key, the first ones before all keys where there are fewer of
/// those, or, top left, the first query at the first key.
std::vector<int32_t> positions(const RunFile& run, const Alignment& align) {
  std::vector<int32_t> seq_lens;
  for (std::size_t r = 0; r < static_cast<std::size_t>(run.num_seqs()); ++r) {
    const int64_t keys = int64_t{run.kv_start_loc[r + 1]} - run.kv_start_loc[r];
    const int64_t queries = int64_t{run.query_start_loc[r + 1]} - run.query_start_loc[r];
    const int64_t length = align.top_left ? queries : align.counts ? keys : std::max(keys, queries);
    seq_lens.push_back(static_cast<int32_t>(std::clamp<int64_t>(length, INT32_MIN, INT32_MAX)));
  }
  return seq_lens;
}

/// is_causal aligns the first query with the first key, whatever else the file says of lengths.
void want_top_left(const RunFile& run) {
  if (run.paged())
    throw Failure(
        fmt::format("{}: metadata is_causal is true with a cache, wanted causal, aligned at the last key", run.path));
  for (std::size_t r = 0; r < run.seq_lens.size(); ++r)
    if (const int64_t queries = int64_t{run.query_start_loc[r + 1]} - run.query_start_loc[r];
        run.seq_lens[r] != queries)
      throw Failure(fmt::format("{}: seq_lens[{}] is {}, wanted {}, its queries, with metadata is_causal", run.path, r,
                                run.seq_lens[r], queries));
}

}  // namespace

void read_lengths(RunReader& reader, const Alignment& align, RunFile& run) {
  if (run.batch && (reader.has("query_start_loc") || reader.has("kv_start_loc")))
    throw Failure(fmt::format(
        "{}: query_start_loc or kv_start_loc is there, wanted neither with a q of four dimensions", run.path));
  run.query_start_loc = reader.has("query_start_loc") ? reader.lengths("query_start_loc", kAny, "[R + 1]")
                                                      : evenly(run.batch.value_or(1), run.num_tokens());
  if (run.query_start_loc.empty())
    throw Failure(fmt::format("{}: query_start_loc is empty, wanted R + 1 offsets", run.path));
  check_offsets(reader.spelling("query_start_loc"), run.query_start_loc, run.num_tokens(), run);
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
    check_offsets(reader.spelling("kv_start_loc"), run.kv_start_loc, rows, run);
  }
  if (reader.has("kv_lens")) run.kv_lens = reader.lengths("kv_lens", requests, "[R]");
  run.seq_lens =
      run.paged() || reader.has("seq_lens") ? reader.lengths("seq_lens", requests, "[R]") : positions(run, align);
  check_lengths(reader.spelling("kv_lens"), run.kv_lens, run);
  check_lengths(reader.spelling("seq_lens"), run.seq_lens, run);
  if (align.top_left) want_top_left(run);
  if (!run.paged()) return;
  const Array table = reader.take("block_table", {Dtype::I32}, {requests, kAny}, "[R, W]");
  run.block_table.assign(table.as<int32_t>(), table.as<int32_t>() + table.elements());
  run.table_width = table.shape[1];
}

}  // namespace attnrt::cli
