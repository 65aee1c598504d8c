// SPDX-License-Identifier: Apache-2.0
//
// Where tensors, tables and workspaces of a case live. One small interface, so that a device can take the CPU's place.
#ifndef ATTNRT_CONFORMANCE_MEMORY_HPP
#define ATTNRT_CONFORMANCE_MEMORY_HPP
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "attnrt/plugin.h"

namespace attnrt::conformance {

/// Memory of one device. [one thread per object]
class Memory {
 public:
  virtual ~Memory() = default;
  virtual attnrt_device device() const = 0;
  /// NULL where there is no more. `alignment` is a power of two of at most 4096.
  virtual void* allocate(std::size_t bytes, std::size_t alignment) = 0;
  virtual void release(void* data) = 0;
  virtual void copy_in(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy_out(void* to, const void* from, std::size_t bytes) = 0;
  virtual void fill(void* to, uint8_t byte, std::size_t bytes) = 0;
  /// Page-locked host memory for this device; on the CPU its own memory.
  virtual Memory& pinned() { return *this; }
  /// The device's architecture as problems name it; 0 on the CPU.
  virtual uint32_t arch() const { return 0; }
  /// The calling thread's stream; NULL on the CPU.
  virtual attnrt_stream stream() { return nullptr; }
  /// Waits for all that was enqueued on `stream`.
  virtual void finish(attnrt_stream stream) = 0;
  /// A stream that the calling thread's does not order; NULL where there are no streams.
  virtual attnrt_stream another_stream() { return nullptr; }
  /// A place in a stream, and work on another stream put behind it.
  virtual void* mark(attnrt_stream) { return nullptr; }
  virtual void wait(attnrt_stream, void*) {}
  /// What went wrong on the device since the last question: "" or a sentence.
  virtual std::string trouble() { return {}; }
  /// From here to capture_end calls on `stream` are recorded, not done. False where the device cannot.
  virtual bool capture_begin(attnrt_stream) { return false; }
  /// What was recorded, to be replayed until it is forgotten; NULL where a call spoiled it.
  virtual void* capture_end(attnrt_stream) { return nullptr; }
  virtual void replay(void*, attnrt_stream) {}
  virtual void forget(void*) {}
  /// A copy from one allocation to another, in the order of `stream`.
  virtual void copy_within(void* to, const void* from, std::size_t bytes, attnrt_stream) {
    if (bytes) std::memcpy(to, from, bytes);
  }
  /// Seconds, by the device's own clock, that what `enqueue` puts on `stream` takes; waits for it. 0 where the device
  /// has no clock, or a call failed.
  virtual double seconds(attnrt_stream, const std::function<void()>& /*enqueue*/) { return 0; }
  /// Tells what lies in an allocation, for what is said of an access beside it. The text outlives the allocation.
  virtual void name(void* /*data*/, const char* /*what*/) {}
  /// True where an access behind an allocation's last byte (rounded up to its alignment) stops the process at once.
  virtual bool fenced() const { return false; }
};

/// Host memory.
class HostMemory : public Memory {
 public:
  attnrt_device device() const override { return {ATTNRT_DEVICE_CPU, 0}; }
  void* allocate(std::size_t bytes, std::size_t alignment) override;
  void release(void* data) override;
  void copy_in(void* to, const void* from, std::size_t bytes) override;
  void copy_out(void* to, const void* from, std::size_t bytes) override;
  void fill(void* to, uint8_t byte, std::size_t bytes) override;
  void finish(attnrt_stream) override {}
};

/// A piece of device memory between guard bytes, all of it filled with `poison` at first; in fenced memory it ends at
/// the fence. 0xFF bytes read as NaN in every floating type of plugin.h but e4m3fnuz (whose NaN is 0x80), and as -1 in
/// tables.
class Buffer {
 public:
  Buffer(Memory& memory, std::size_t bytes, uint8_t poison = 0xff, std::size_t alignment = 64);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  char* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return bytes_; }
  bool ok() const noexcept { return base_ != nullptr; }
  void write(std::size_t offset, const void* from, std::size_t bytes) const;
  std::vector<uint8_t> read() const;
  /// What lies here, for sentences about it: "k_cache". The text outlives the buffer.
  void name(const char* what);
  const char* name() const noexcept { return name_; }
  /// How many of the guard bytes before and behind the buffer have changed.
  std::size_t guard_damage() const;

 private:
  Memory& memory_;
  std::size_t bytes_, front_, back_;  ///< guard bytes before and behind
  char* base_ = nullptr;
  char* data_ = nullptr;
  const char* name_ = "a piece without a name";
};

}  // namespace attnrt::conformance
#endif
