// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "attnrt/plugin.h"
#include "device.hpp"
#include "result.hpp"

namespace attnrt::core {

/// A causal decoder on a paged cache, mixed phase, bf16, 32 query and 8 KV heads of 128 (head_size_v 0: as
/// head_size_qk), on this device.
attnrt_problem default_problem(const Device& device);

/// The problem as the checks want it: feature bits that follow from fields added, head_size_v 0 replaced by
/// head_size_qk (MLA: by its own), kv_layouts 0 by what the family and attention type can use. Error: inconsistent in
/// itself.
Result<attnrt_problem> complete(attnrt_problem problem);

/// Nothing to run: a model without attention layers (num_heads 0).
inline bool is_attention_free(const attnrt_problem& p) { return p.num_heads == 0; }

/// MLA whose prefill half is asked for: a standard problem with the mla_* dims set.
inline bool is_mla_prefill(const attnrt_problem& p) { return p.family == ATTNRT_FAMILY_STANDARD && p.mla_kv_lora != 0; }

/// The prefill half of an MLA problem: K and V without a cache, head sizes nope + rope and v, LSE wanted.
attnrt_problem mla_prefill_half(const attnrt_problem& mla);

/// "cuda (9.0) with head_size=80, dtype=fp16, ..." for messages.
std::string describe(const attnrt_problem& problem);

}  // namespace attnrt::core
