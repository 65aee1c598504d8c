// SPDX-License-Identifier: Apache-2.0
//
// workers.hpp: the threads over which a call's work is divided, all in the kernels' floating-point mode.
#ifndef ATTNRT_CPU_ATTN_WORKERS_HPP
#define ATTNRT_CPU_ATTN_WORKERS_HPP
#include <cstdint>

#include "../simd/float_mode.hpp"
#include "attnrt/plugin.hpp"

namespace attnrt::cpu {

/// sdk::Executor for work whose bits must not depend on the calling thread's floating-point mode.
class Workers {
 public:
  explicit Workers(attnrt_stream stream) noexcept : executor_(stream) {}

  uint32_t num_workers() const noexcept { return executor_.num_workers(); }

  /// Runs body(begin, end, worker) over [0, n) in ranges of at most `grain`. The body must not throw.
  template <class Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) const {
    executor_.parallel_for(n, grain, [&](int64_t begin, int64_t end, uint32_t worker) noexcept {
      const kernel::FloatMode mode;
      run(body, begin, end, worker);
    });
  }

 private:
  template <class Body>
  [[gnu::noinline]] static void run(Body& body, int64_t begin, int64_t end, uint32_t worker) noexcept {
    static_assert(noexcept(body(begin, end, worker)), "a parallel body is noexcept: it crosses the ABI");
    body(begin, end, worker);
  }

  const sdk::Executor executor_;
};

}  // namespace attnrt::cpu
#endif
