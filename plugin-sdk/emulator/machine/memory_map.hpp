// SPDX-License-Identifier: Apache-2.0
//
// Addresses as kernels see them. Global memory is host memory behind addresses that the host cannot follow; shared and
// local memory have windows in the generic address space (manual 9.7.9.20, cvta), far from all others.
#ifndef ATTNRT_EMULATOR_MEMORY_MAP_HPP
#define ATTNRT_EMULATOR_MEMORY_MAP_HPP
#include <cstddef>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <string>

#include "placement.hpp"

namespace attnrt::emulator {

constexpr uint64_t kSharedWindow = uint64_t{1} << 56;
constexpr uint64_t kLocalWindow = uint64_t{1} << 57;
constexpr uint64_t kParameterWindow = uint64_t{1} << 58;
/// Where shared memory begins in its own space: since 9.0 the system keeps 1 KiB for itself.
constexpr uint32_t shared_base(uint32_t arch) { return arch >= 90 ? 1024 : 0; }

/// A piece of global memory. The shadow has a byte for each byte, 1 where something was written.
struct Piece {
  uint64_t begin = 1, end = 0;       ///< addresses
  char* data = nullptr;              ///< of begin
  unsigned char* written = nullptr;  ///< NULL: all of it counts as written

  bool holds(uint64_t address, uint64_t bytes) const {
    return address >= begin && address <= end && bytes <= end - address;
  }
};

/// The pieces that are allocated. [thread-safe; a piece that is in use must not be released]
class GlobalMemory : public Placement {
 public:
  explicit GlobalMemory(uint64_t limit = uint64_t{16} << 30) : limit_(limit) {}
  ~GlobalMemory() override;
  GlobalMemory(const GlobalMemory&) = delete;
  GlobalMemory& operator=(const GlobalMemory&) = delete;

  /// Poisoned memory at an address that no other piece touches; 0 where there is none left.
  uint64_t allocate(std::size_t bytes);
  /// Host memory under its own address.
  void add_host(void* data, std::size_t bytes);
  /// false where no piece begins there.
  bool release(uint64_t address);
  uint64_t limit() const { return limit_; }
  uint64_t used() const;
  bool find(uint64_t address, Piece& piece) const;
  /// Host address of bytes that lie in one piece, for copies; NULL where they do not. `writes` marks them as written.
  char* at(uint64_t address, std::size_t bytes, bool writes) const;
  /// Where an address lies, for people: "64 bytes behind a piece of 1024".
  std::string whereabouts(uint64_t address) const;
  uint64_t place(const std::string& name, std::size_t bytes, std::size_t alignment,
                 const std::string& initial) override;

 private:
  struct Owned {
    Piece piece;
    std::size_t mapped;  ///< 0: host memory of somebody else
  };
  mutable std::shared_mutex mutex_;
  std::map<uint64_t, Owned> pieces_;
  uint64_t used_ = 0, limit_;
};

}  // namespace attnrt::emulator
#endif
