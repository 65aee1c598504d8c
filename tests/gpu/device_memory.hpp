// SPDX-License-Identifier: Apache-2.0
//
// Memory of a device that is not there: addresses that the host must not touch, with a second view for whoever plays
// the device.
#ifndef ATTNRT_TESTS_GPU_DEVICE_MEMORY_HPP
#define ATTNRT_TESTS_GPU_DEVICE_MEMORY_HPP
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

namespace attnrt::fake {

/// An access of the device outside of what is allocated.
struct BadAccess : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One file in memory, mapped twice: without access at the addresses that the driver gives out, so that a host that
/// follows one dies of SIGSEGV, and readable and writable for the twins of the kernels. [one thread at a time]
class DeviceMemory {
 public:
  DeviceMemory();
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// 0 where `limit` would be passed. Pieces start at multiples of 4096 and have a gap behind them.
  uint64_t allocate(std::size_t bytes);
  /// False where no piece starts there.
  bool release(uint64_t address);
  /// Is [address, address + bytes) inside one live piece? An empty range may lie at its end.
  bool holds(uint64_t address, std::size_t bytes) const;
  /// The device's view of a range; throws BadAccess, with `what` in the text, unless all of it is in one live piece.
  char* at(uint64_t address, std::size_t bytes, const char* what) const;

  std::size_t used() const noexcept { return used_; }
  std::size_t limit = std::size_t{12} << 30;

 private:
  std::map<uint64_t, std::size_t>::const_iterator piece(uint64_t address) const;

  int file_ = -1;
  char *closed_ = nullptr, *open_ = nullptr;  ///< the two views
  std::map<uint64_t, std::size_t> pieces_, free_;
  mutable std::map<uint64_t, std::size_t>::const_iterator last_;  ///< most accesses go where the one before went
  std::size_t used_ = 0;
};

}  // namespace attnrt::fake
#endif
