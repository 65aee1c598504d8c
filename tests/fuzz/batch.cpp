// SPDX-License-Identifier: Apache-2.0
// A batch made from bytes, in arrays that are as long as they claim and no longer. What check.hpp lets pass has
// ascending offsets, lengths that hold their queries and block ids inside the cache; what it refuses gets one sentence.
#include <memory>

#include "attnrt/check.hpp"
#include "target.hpp"

namespace sdk = attnrt::sdk;
using fuzz::Bytes;
using fuzz::promise;

namespace {

/// An array on the heap of exactly n values, so that a read past it is seen; small ones for the most part.
template <class T>
std::unique_ptr<T[]> make(Bytes& in, int64_t n) {
  std::unique_ptr<T[]> out(new T[static_cast<std::size_t>(n)]);
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t kind = in.take<uint8_t>();
    out[static_cast<std::size_t>(i)] = kind < 250 ? static_cast<T>(kind % 40) : in.take<T>();
  }
  return out;
}

/// Offsets that ascend unless a byte says otherwise.
std::unique_ptr<int32_t[]> make_offsets(Bytes& in, int64_t n) {
  auto out = make<int32_t>(in, n);
  if (in.below(8) == 0) return out;
  out[0] = 0;
  for (int64_t i = 1; i < n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    out[at] = out[at - 1] + (out[at] & 15);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Bytes in(data, size);
  const bool paged = in.below(2), per_request = in.below(4) == 0;
  attnrt_problem p{};
  p.struct_size = sizeof p;
  p.device_type = in.below(8) ? ATTNRT_DEVICE_CPU : ATTNRT_DEVICE_CUDA;
  p.kv_layouts = paged ? ATTNRT_KV_NHD : ATTNRT_KV_CONTIGUOUS;
  p.block_size = paged ? 1 + in.below(32) : 0;
  p.causal = per_request ? ATTNRT_CAUSAL_PER_REQUEST : ATTNRT_CAUSAL_ALWAYS;
  p.provides = in.below(2) ? ATTNRT_HOST_LENGTHS : 0;

  auto limits = in.take<attnrt_limits>();
  if (in.below(8)) {
    limits.num_workers = 1;
    limits.max_seqs = 8;
    limits.max_tokens = limits.max_query_len = limits.max_seq_len = 128;
    limits.max_kv_tokens = 256;
    limits.num_blocks = 1 + static_cast<int32_t>(in.below(64));
    limits.max_blocks_per_seq = 1 + static_cast<int32_t>(in.below(16));
    limits.num_sms = 0;
  }
  limits.struct_size = sizeof limits;

  struct Sink {
    std::string text;
    int count = 0;
  } sink;
  const attnrt_diag face{sizeof face, 0, &sink, [](void* self, attnrt_why, const char* text) {
                           static_cast<Sink*>(self)->text = text;
                           ++static_cast<Sink*>(self)->count;
                         }};
  const auto refused = [&sink](bool accepted) {
    promise(sink.count == (accepted ? 0 : 1), "a refusal is one sentence, an accepted call has none", sink.text);
    if (!accepted) fuzz::promise_sentence(sink.text);
    return !accepted;
  };
  const sdk::Diag diag(&face);
  if (refused(sdk::check_limits(diag, p, limits))) return 0;

  const int32_t seqs = static_cast<int32_t>(in.below(10));
  const auto count = static_cast<std::size_t>(seqs);
  const int32_t width = static_cast<int32_t>(in.below(12)), stride = width + static_cast<int32_t>(in.below(3));
  const auto starts = make_offsets(in, seqs + 1), kv_starts = make_offsets(in, seqs + 1);
  const auto lens = make<int32_t>(in, seqs), kv_lens = make<int32_t>(in, seqs);
  const auto causal = make<uint8_t>(in, seqs);
  const auto table = make<int32_t>(in, int64_t{seqs} * stride);
  attnrt_batch b{};
  b.struct_size = sizeof b;
  b.num_seqs = in.below(16) ? seqs : -1;
  b.num_tokens = in.below(8) ? starts[count] : in.take<int32_t>();
  b.max_query_len = in.below(8) ? 16 : in.take<int32_t>();
  b.max_seq_len = in.below(8) ? 64 : in.take<int32_t>();
  b.num_decodes = in.below(8) ? 0 : in.take<int32_t>();
  b.query_start_loc = in.below(16) ? starts.get() : nullptr;
  b.seq_lens = in.below(16) ? lens.get() : nullptr;
  b.kv_start_loc = paged ? nullptr : kv_starts.get();
  b.kv_lens = in.below(2) ? kv_lens.get() : nullptr;
  b.causal = per_request == (in.below(8) != 0) ? causal.get() : nullptr;
  b.block_table = paged && in.below(16) ? table.get() : nullptr;
  b.block_table_stride = in.below(16) ? stride : width - 1;
  b.block_table_width = width;
  if (in.below(2)) {
    b.query_start_loc_host = starts.get();
    b.seq_lens_host = lens.get();
    b.kv_start_loc_host = b.kv_start_loc;
    b.kv_lens_host = b.kv_lens;
  }
  sdk::BatchShape shape;
  if (refused(sdk::check_batch(diag, p, limits, b, shape))) return 0;

  promise(b.num_seqs == seqs && seqs <= limits.max_seqs, "the number of requests is within the limits");
  promise(shape.num_seqs == seqs && shape.num_tokens == b.num_tokens, "the shape is the batch's");
  if (p.device_type != ATTNRT_DEVICE_CPU && !b.seq_lens_host) return 0;  // a device's memory is not read
  promise(starts[0] == 0 && starts[count] == b.num_tokens && b.num_tokens <= limits.max_tokens,
          "queries begin at 0 and end with the tokens");
  for (std::size_t r = 0; r < count; ++r) {
    const int64_t query = int64_t{starts[r + 1]} - starts[r];
    promise(query >= 0 && query <= b.max_query_len, "a query has a length");
    promise(lens[r] >= (paged ? query : 0) && lens[r] <= b.max_seq_len && lens[r] <= limits.max_seq_len,
            "a sequence holds its query");
    int64_t keys = lens[r];
    if (!paged) {
      keys = int64_t{kv_starts[r + 1]} - kv_starts[r];
      promise(kv_starts[r] >= 0 && keys >= 0 && kv_starts[r + 1] <= limits.max_kv_tokens, "keys lie within the rows");
    }
    if (b.kv_lens) {
      promise(kv_lens[r] >= 0 && (paged || kv_lens[r] <= keys), "visible keys are there");
      keys = kv_lens[r];
    }
    if (!paged || p.device_type != ATTNRT_DEVICE_CPU) continue;
    for (int64_t j = 0; j < keys; ++j) {
      const int64_t column = j / p.block_size;
      promise(column < width && column < limits.max_blocks_per_seq, "every key has a column in the table");
      const int32_t block = table[r * static_cast<std::size_t>(stride) + static_cast<std::size_t>(column)];
      promise(block >= 0 && block < limits.num_blocks, "every key lies in a block of the cache");
    }
  }
  return 0;
}
