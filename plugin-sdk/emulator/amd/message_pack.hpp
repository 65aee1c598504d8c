// SPDX-License-Identifier: Apache-2.0
//
// MessagePack (msgpack.org, the specification of 2.0), as far as metadata of kernels uses it.
#ifndef ATTNRT_EMULATOR_AMD_MESSAGE_PACK_HPP
#define ATTNRT_EMULATOR_AMD_MESSAGE_PACK_HPP
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attnrt::emulator::amd {

/// A value; of maps those with strings as keys.
struct Packed {
  enum Kind { nothing, number, text, list, map } kind = nothing;
  uint64_t integer = 0;  ///< numbers and booleans; floating-point numbers are 0
  std::string string;
  std::vector<Packed> items;      ///< of a list; of a map the values
  std::vector<std::string> keys;  ///< of a map, one for each of its values

  /// NULL = there is none.
  const Packed* find(std::string_view key) const;
  uint64_t number_of(std::string_view key, uint64_t otherwise = 0) const;
  std::string text_of(std::string_view key) const;
};

/// Throws TextFault where the bytes are no value, or one that is nested too deeply.
Packed unpack(std::string_view bytes);

}  // namespace attnrt::emulator::amd
#endif
