// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace attnrt::core {

/// The one state that each file in a plugin folder has.
enum class State {
  loaded, untrusted, foreign, damaged, incompatible, quarantined, crashed, timeout, unresolved, invalid, unavailable,
  shadowed, replaced, unprobed
};
const char* state_name(State state);

/// What a plugin's file tells without being loaded. state is `loaded` where it may go on to the next step.
struct Inspection {
  State state = State::loaded;
  std::string sentence;
  std::string name, version;  ///< from the attnrt note
  uint32_t abi_major = 0, abi_minor = 0;
  uint32_t sanitizers = 0;
  std::string build_id;  ///< hex of the GNU build id, else "size:mtime"
};

/// Reads the file's ELF headers and notes; executes nothing and maps nothing, so a file that is cut, foreign or changes
/// meanwhile costs a sentence at most. `foreign`: not an attnrt plugin for this machine; `damaged`: cut or
/// inconsistent; `incompatible`: another ABI or a sanitizer that this process does not run with.
Inspection inspect(const std::filesystem::path& file);
/// The same of a descriptor that is open for reading.
Inspection inspect(int descriptor);

/// Reads `size` bytes at `offset`; false where the source ends before. The inspector's only access to bytes.
using ReadAt = std::function<bool(uint64_t offset, void* to, uint64_t size)>;
Inspection inspect_bytes(const ReadAt& read, uint64_t file_size);

}  // namespace attnrt::core
