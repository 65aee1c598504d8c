// SPDX-License-Identifier: Apache-2.0
//
// What the steps of a trial share: the driver, the variants under trial, and how a step is told.
#ifndef ATTNRT_DEVICE_TRIAL_HPP
#define ATTNRT_DEVICE_TRIAL_HPP
#include <functional>
#include <string>
#include <vector>

#include "attnrt/gpu_driver.hpp"
#include "attnrt/plugin.h"

namespace attnrt::trial {

/// A step that did not give what was wanted.
struct Failed {
  std::string sentence;
};

/// Functions that the plugin loaded, noted on their way through the driver's table.
struct LoadedFunction {
  std::string name;
  sdk::GpuFunction handle;
};

class Trial {
 public:
  /// Loads the plugin's file and the driver. Throws Failed.
  explicit Trial(const char* file);

  /// Does a step and prints a line of it: "passed" or "FAILED", its name, a sentence. A step gives its sentence,
  /// or throws Failed. False where it failed.
  bool step(const std::string& name, const std::function<std::string()>& act);
  int failures() const { return failures_; }

  const sdk::GpuDriver& driver() const;
  /// The first variant of each backend that runs on CUDA's devices, with the backend's name.
  struct Subject {
    std::string backend;
    const attnrt_variant* variant;
  };
  const std::vector<Subject>& subjects() const { return subjects_; }
  const std::vector<LoadedFunction>& functions() const;
  uint32_t arch = 0;  ///< of device 0, once it is known

 private:
  std::vector<Subject> subjects_;
  int failures_ = 0;
};

/// Throws Failed with the call and the error's name unless `error` is 0.
void want(const Trial& trial, const char* call, sdk::GpuResult error);

/// The driver alone: cuInit, the devices, copies of rows, what each loaded kernel says of itself.
void try_driver(Trial& trial);
/// What engines do with an op: threads without a context, streams, captures, forks. The fork comes last.
void try_engine(Trial& trial);

}  // namespace attnrt::trial
#endif
