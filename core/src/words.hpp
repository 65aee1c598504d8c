// SPDX-License-Identifier: Apache-2.0
//
// The names of every bit and value of plugin.h, in the spelling of the command line, the priority table and the JSON.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attnrt/diag.hpp"
#include "attnrt/plugin.h"

namespace attnrt::core {

struct Word {
  uint64_t value;
  const char* name;
};

namespace words {
extern const std::span<const Word> dtypes, families, attn_types, phases, kv_layouts, features, isa, determinism,
    graph_levels, provides, sanitizers, devices, causal;
}

/// The name of one value; "unknown" where there is none.
const char* name_of(std::span<const Word> words, uint64_t value);
/// The value of a name, case-insensitive.
std::optional<uint64_t> value_of(std::span<const Word> words, std::string_view name);
/// The names of the bits of a mask, in order.
std::vector<std::string> names_of(std::span<const Word> words, uint64_t mask);
/// The same for a set of dtypes, a mask of (1 << dtype).
std::vector<std::string> dtype_names(uint64_t mask);

/// "a, b, c"; `quote` puts each in single quotes.
std::string join(const std::vector<std::string>& items, const char* separator = ", ", const char* quote = "");
using sdk::printable;
bool equal_ignoring_case(std::string_view a, std::string_view b);
/// A name as plugins have them: letters, digits, '_', '.' and '-', at least one.
bool is_word(std::string_view text);
std::string upper(std::string_view text);

/// "9.0" for CUDA 90, "gfx942" for ROCm 0x942, "" for the CPU.
std::string arch_name(int32_t device_type, uint32_t arch);
/// "any", "16, 32", "multiples of 16", "32 to 256 in steps of 8".
std::string sizes_text(const attnrt_sizes& sizes);

}  // namespace attnrt::core
