// SPDX-License-Identifier: Apache-2.0
//
// Host memory between pages that nobody may touch.
#ifndef ATTNRT_CONFORMANCE_FENCED_MEMORY_HPP
#define ATTNRT_CONFORMANCE_FENCED_MEMORY_HPP
#include <map>
#include <mutex>
#include <string>

#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// Each allocation has pages of its own and ends where a page without access begins, so that one element too far is a
/// SIGSEGV at the instruction that did it, even where the value would not have mattered. [thread-safe]
class FencedMemory final : public Memory {
 public:
  ~FencedMemory() override;
  attnrt_device device() const override { return {ATTNRT_DEVICE_CPU, 0}; }
  void* allocate(std::size_t bytes, std::size_t alignment) override;
  void release(void* data) override;
  void copy_in(void* to, const void* from, std::size_t bytes) override;
  void copy_out(void* to, const void* from, std::size_t bytes) override;
  void fill(void* to, uint8_t byte, std::size_t bytes) override;
  void finish(attnrt_stream) override {}
  void name(void* data, const char* what) override;
  bool fenced() const override { return true; }

  /// "12 bytes behind k_cache, a piece of 4096 bytes" for an address on a fence, "" for any other. Takes no lock, so that
  /// the handler of a signal may ask.
  std::string whereabouts(const void* address) const;

 private:
  struct Span {
    char* pages;             ///< the fence before the allocation
    std::size_t page_bytes;  ///< both fences included
    std::size_t bytes;
    const char* name = "";  ///< of what lies there
  };
  std::mutex mutex_;
  std::map<const char*, Span> spans_;
};

}  // namespace attnrt::conformance
#endif
