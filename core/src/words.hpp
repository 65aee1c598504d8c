// SPDX-License-Identifier: Apache-2.0
//
// Names looked up and joined: those of plugin.h (attnrt/words.hpp), of plugins, of architectures and sizes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attnrt/diag.hpp"
#include "attnrt/plugin.h"
#include "attnrt/words.hpp"

namespace attnrt::core {

using sdk::Word;
using sdk::Words;
namespace words = sdk::words;

/// The name of one value; "unknown" where there is none.
inline const char* name_of(const Words& words, uint64_t value) { return words.name(value); }
/// The value of a name, case-insensitive.
std::optional<uint64_t> value_of(const Words& words, std::string_view name);
/// The names of the bits of a mask, in order.
std::vector<std::string> names_of(const Words& words, uint64_t mask);
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
