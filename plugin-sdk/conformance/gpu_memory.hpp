// SPDX-License-Identifier: Apache-2.0
//
// Memory of a GPU, through the table of driver functions: that of CUDA, of HIP, or one that plays a device.
#ifndef ATTNRT_CONFORMANCE_GPU_MEMORY_HPP
#define ATTNRT_CONFORMANCE_GPU_MEMORY_HPP
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "attnrt/gpu_driver.hpp"
#include "conformance/memory.hpp"

namespace attnrt::conformance {

/// Each thread that asks has a stream of its own, which no other one orders. The device's context is current for calls
/// of the memory itself alone: what a thread has otherwise stays, so that a plugin meets threads without a context, as
/// engines have them. Calls that fail leave a sentence. [thread-safe]
class GpuMemory final : public Memory {
 public:
  /// Of CUDA or ROCm, as the driver's platform says. `fenced`: the driver notices an access behind an allocation.
  GpuMemory(const sdk::GpuDriver& driver, int32_t ordinal, bool fenced);
  ~GpuMemory() override;
  /// Told once of an error that ends the context, for all that comes later would answer the same. Before the first use.
  void when_lost(std::function<void(const std::string&)> told) { lost_ = std::move(told); }
  /// For callers that use the driver themselves.
  sdk::GpuContext context() const { return context_; }
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;

  attnrt_device device() const override { return device_; }
  uint32_t arch() const override { return arch_; }
  void* allocate(std::size_t bytes, std::size_t alignment) override;
  void release(void* data) override;
  void copy_in(void* to, const void* from, std::size_t bytes) override;
  void copy_out(void* to, const void* from, std::size_t bytes) override;
  void fill(void* to, uint8_t byte, std::size_t bytes) override;
  attnrt_stream stream() override;
  void finish(attnrt_stream stream) override;
  bool fenced() const override { return fenced_; }
  std::string trouble() override;
  bool capture_begin(attnrt_stream stream) override;
  void* capture_end(attnrt_stream stream) override;
  void replay(void* graph, attnrt_stream stream) override;
  void forget(void* graph) override;
  void* mark(attnrt_stream stream) override;
  void wait(attnrt_stream stream, void* mark) override;
  attnrt_stream another_stream() override;
  void copy_within(void* to, const void* from, std::size_t bytes, attnrt_stream stream) override;
  double seconds(attnrt_stream stream, const std::function<void()>& enqueue) override;
  Memory& pinned() override { return pinned_; }

 private:
  // Page-locked host memory, whose pieces start at pages.
  class Pinned final : public HostMemory {
   public:
    explicit Pinned(GpuMemory& owner) : owner_(owner) {}
    void* allocate(std::size_t bytes, std::size_t alignment) override;
    void release(void* data) override;

   private:
    GpuMemory& owner_;
  };
  // The context, current for a scope.
  class Inside {
   public:
    explicit Inside(GpuMemory& owner);
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    GpuMemory& owner_;
    bool pushed_;
  };
  /// `call` is the function's name in CUDA; the sentence has the driver's own.
  bool good(const char* call, sdk::GpuResult error);
  sdk::GpuStream own_stream();
  bool ask_arch(sdk::GpuDevice device);

  const sdk::GpuDriver& driver_;
  attnrt_device device_;
  bool fenced_;
  uint32_t arch_ = 0;
  sdk::GpuContext context_ = nullptr;
  std::mutex mutex_;
  std::map<std::thread::id, sdk::GpuStream> streams_;
  std::map<sdk::GpuPointer, sdk::GpuPointer> moved_;  ///< what starts behind its allocation, and that
  Pinned pinned_{*this};
  std::vector<sdk::GpuStream> more_streams_;
  std::vector<sdk::GpuEvent> events_;
  std::string trouble_;
  std::function<void(const std::string&)> lost_;
};

}  // namespace attnrt::conformance
#endif
