// SPDX-License-Identifier: Apache-2.0
#include "bench/device_timer.hpp"

#include <utility>

#include "attnrt/error.hpp"
#include "failure.hpp"

namespace attnrt::cli {
namespace {

constexpr int kRuns = 20;

void want_no_trouble(conformance::Memory& memory) {
  if (const std::string trouble = memory.trouble(); !trouble.empty())
    throw Failure("the device: " + trouble, kCheckFailed);
}

}  // namespace

DeviceTimer::DeviceTimer(conformance::Memory& memory, std::function<void()> run)
    : memory_(memory), run_(std::move(run)) {
  const attnrt_stream stream = memory_.stream();
  for (int i = 0; i < 2; ++i) run_();
  memory_.finish(stream);
  want_no_trouble(memory_);
  if (!memory_.capture_begin(stream)) return;
  try {
    for (int i = 0; i < kRuns; ++i) run_();
    graph_ = memory_.capture_end(stream);
  } catch (const Error&) {  // it refuses a capture, and can be run
    memory_.forget(memory_.capture_end(stream));
  }
  if (!graph_) (void)memory_.trouble();
}

DeviceTimer::~DeviceTimer() { memory_.forget(graph_); }

double DeviceTimer::seconds() {
  const attnrt_stream stream = memory_.stream();
  const double all = memory_.seconds(stream, [&] {
    if (graph_) return memory_.replay(graph_, stream);
    for (int i = 0; i < kRuns; ++i) run_();
  });
  want_no_trouble(memory_);
  return all / kRuns;
}

}  // namespace attnrt::cli
