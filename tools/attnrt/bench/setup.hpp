// SPDX-License-Identifier: Apache-2.0
//
// bench/setup.hpp: one variant on one benchmark case, ready to run: op, filled cache, plan and operands.
#ifndef ATTNRT_CLI_BENCH_SETUP_HPP
#define ATTNRT_CLI_BENCH_SETUP_HPP
#include <optional>

#include "bench/data.hpp"
#include "bench/device_timer.hpp"
#include "bench/timing.hpp"
#include "mirror.hpp"

namespace attnrt::cli {

/// How a case is asked for, beyond its shape.
struct BenchWish {
  std::string variant;      ///< "BACKEND/variant", "" = whatever selection chooses
  uint32_t layout = 0;      ///< one ATTNRT_KV_*, 0 = whatever selection chooses
  uint32_t block_size = 0;  ///< 0 = what the variant likes best
  std::optional<uint32_t> kv_dtype;
  std::optional<uint32_t> phase;  ///< one ATTNRT_PHASE_*; nothing = what the case is of, mixed with a cache
  std::string device = "cpu";     ///< as --device says it
};

/// The problem that a case poses.
attnrt_problem bench_problem(const Runtime& runtime, const BenchCase& c, uint32_t dtype, const BenchWish& wish);

/// Writes the cache through the library (in a random order of its blocks) and plans once: neither is part of a run.
class BenchSetup {
 public:
  /// Throws Error where the variant cannot serve the case, Failure where the device lacks memory or a driver. `data`
  /// and `pool` outlive it.
  BenchSetup(Runtime& runtime, const BenchData& data, const BenchWish& wish, const attnrt_executor* pool);
  BenchSetup(const BenchSetup&) = delete;
  BenchSetup& operator=(const BenchSetup&) = delete;

  /// Attention over the whole batch.
  void run() {
    plan_.run(placed_, device_.stream());
    device_.finish();
  }
  /// Seconds of one run: on the CPU by the host's clock, on a device by its own, from a graph of many runs.
  double timed_run() {
    return timer_ ? timer_->seconds() : seconds_of([this] { run(); });
  }
  /// The output of the last run, fetched from the device.
  const std::byte* out() const {
    device_.fetch(out_.data());
    return out_.data();
  }
  std::string variant() const { return choice_.backend() + "/" + choice_.variant(); }
  /// The problem as the choice settled it.
  attnrt_problem problem() const { return choice_.problem(); }
  const std::string& layout_id() const noexcept { return layout_id_; }
  uint32_t block_size() const noexcept { return choice_.problem().block_size; }
  uint32_t kv_dtype() const noexcept { return choice_.problem().kv_dtype; }

 private:
  attnrt_limits limits() const;
  void place_requests();
  void fill_cache();
  attnrt_batch batch() const;

  const BenchData& data_;
  Choice choice_;
  Op op_;
  Mirror device_;  ///< outlives the plan, whose memory it holds
  Plan plan_;
  std::optional<DeviceTimer> timer_;
  std::string layout_id_ = "contiguous";
  LargeBytes cache_, out_;
  std::vector<int32_t> query_start_loc_{0}, kv_start_loc_{0}, seq_lens_, block_table_;
  int64_t num_blocks_ = 0, table_width_ = 0;
  Tensor q_, k_, v_, k_cache_, v_cache_, out_rows_, sinks_, alibi_slopes_;
  attnrt_run_args args_ = sized<attnrt_run_args>(), placed_{};  ///< on the host, and where kernels find them
};

}  // namespace attnrt::cli
#endif
