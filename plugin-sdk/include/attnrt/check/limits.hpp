// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check/limits.hpp: the limits of a plan and the memory that it was given. Header-only, C++17. [thread-safe]
#ifndef ATTNRT_CHECK_LIMITS_HPP
#define ATTNRT_CHECK_LIMITS_HPP
#include <cstdint>

#include "attnrt/check/range.hpp"
#include "attnrt/match.hpp"
#include "attnrt/plugin.h"

namespace attnrt::sdk {

/// Limits that are positive, bounded, and have a cache exactly where the problem has one.
inline bool check_limits(const Diag& diag, const attnrt_problem& p, const attnrt_limits& l) {
  using detail::within;
  if (!within(diag, "limits.num_workers", l.num_workers, 1, 4096)) return false;
  if (!within(diag, "limits.max_seqs", l.max_seqs, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_tokens", l.max_tokens, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_query_len", l.max_query_len, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_seq_len", l.max_seq_len, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_kv_tokens", l.max_kv_tokens, 0, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.num_sms", l.num_sms, 0, 65536)) return false;
  const int64_t low = is_paged(p.kv_layouts) ? 1 : 0;
  if (!within(diag, "limits.num_blocks", l.num_blocks, low, INT32_MAX - 1)) return false;
  if (!within(diag, "limits.max_blocks_per_seq", l.max_blocks_per_seq, low, INT32_MAX - 1)) return false;
  if (low && p.block_size == 0) return diag.fail("block_size is 0, wanted the block size of the paged cache");
  return true;
}

/// Memory that is as large and as aligned as the workspace answer asked.
inline bool check_memory(const Diag& diag, const attnrt_workspace& want, const attnrt_memory& got) {
  const struct {
    const char* name;
    const void* data;
    uint64_t bytes, want_bytes, alignment;
  } pieces[] = {{"memory.plan", got.plan, got.plan_bytes, want.plan_bytes, want.plan_alignment},
                {"memory.pinned", got.pinned, got.pinned_bytes, want.pinned_bytes, want.pinned_alignment},
                {"memory.scratch", got.scratch, got.scratch_bytes, want.scratch_bytes, want.scratch_alignment}};
  for (const auto& m : pieces) {
    if (m.want_bytes == 0) continue;
    if (m.bytes < m.want_bytes) return diag.fail(say(m.name, " has ", m.bytes, " bytes, wanted ", m.want_bytes));
    if (!m.data) return diag.fail(say(m.name, " is NULL, wanted ", m.want_bytes, " bytes"));
    if (m.alignment > 1 && reinterpret_cast<uintptr_t>(m.data) % m.alignment)
      return diag.fail(say(m.name, " is not aligned to ", m.alignment, " bytes"));
  }
  return true;
}

}  // namespace attnrt::sdk
#endif
