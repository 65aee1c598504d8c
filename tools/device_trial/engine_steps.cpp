// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "attnrt/check.hpp"
#include "conformance/gpu_memory.hpp"
#include "conformance/grid.hpp"
#include "conformance/launch.hpp"
#include "conformance/request.hpp"
#include "trial.hpp"

namespace attnrt::trial {
namespace {

using conformance::GpuMemory;
using conformance::Sink;

/// A small case of a variant's grid with the bits that it gives when nothing is unusual.
class Subject {
 public:
  Subject(const Trial& trial, const attnrt_variant& variant) : memory_(trial.driver(), 0, false), variant_(variant) {
    conformance::GridOptions options;
    options.arch = trial.arch;
    const std::vector<conformance::Case> cases = conformance::sample_cases(variant, options, 4);
    if (cases.size() < 2) throw Failed{"the sheet admits no case of the grid"};
    case_ = cases[0];
    beside_ = cases[1].problem;
    rig_ = std::make_unique<conformance::Rig>(variant, memory_, case_.problem);
    operands_ = conformance::make_operands(case_);
    requests_ = conformance::make_requests(case_, operands_);
    for (const conformance::RequestData& r : requests_) pointers_.push_back(&r);
    launch_ = std::make_unique<conformance::Launch>(*rig_, operands_, pointers_, case_.lse, case_.placement);
    if (launch_->update() && launch_->run()) launch_->collect();
    if (!launch_->outcome().faults.empty()) throw Failed{launch_->outcome().faults[0].sentence};
    expected_ = launch_->outcome().bytes;
    stream_ = launch_->stream();
  }

  void update(attnrt_stream stream) {
    Sink sink;
    const attnrt_status status = variant_.plan_update(launch_->plan(), &launch_->batch(), stream, sink.get());
    if (status != ATTNRT_OK) throw Failed{sink.text("plan_update", status)};
  }
  void run(attnrt_stream stream) {
    Sink sink;
    const attnrt_status status = variant_.run(launch_->plan(), &launch_->args(), stream, sink.get());
    if (status != ATTNRT_OK) throw Failed{sink.text("run", status)};
  }
  void create_another() {
    const conformance::Rig other(variant_, memory_, beside_);
    if (other.status() != ATTNRT_OK && other.status() != ATTNRT_UNSUPPORTED) throw Failed{other.faults()[0].sentence};
  }
  void clear() { launch_->clear(); }
  /// Waits for a stream, and wants the bits of the first run.
  std::string same(attnrt_stream stream) {
    memory_.finish(stream);
    if (const std::string trouble = memory_.trouble(); !trouble.empty()) throw Failed{trouble};
    launch_->collect();
    if (!launch_->outcome().faults.empty()) throw Failed{launch_->outcome().faults[0].sentence};
    if (launch_->outcome().bytes != expected_) throw Failed{"out has other bits than in the first run"};
    return conformance::text(case_);
  }
  GpuMemory& memory() { return memory_; }
  attnrt_stream stream() const { return stream_; }

 private:
  GpuMemory memory_;
  const attnrt_variant& variant_;
  conformance::Case case_;
  attnrt_problem beside_{};
  std::unique_ptr<conformance::Rig> rig_;
  conformance::Operands operands_;
  std::vector<conformance::RequestData> requests_;
  std::vector<const conformance::RequestData*> pointers_;
  std::unique_ptr<conformance::Launch> launch_;
  std::vector<std::vector<uint8_t>> expected_;
  attnrt_stream stream_ = nullptr;
};

/// Does something in a thread of its own; what it throws is thrown here.
void elsewhere(const std::function<void()>& act) {
  std::string failed;
  std::thread([&] {
    try {
      act();
    } catch (const Failed& failure) {
      failed = failure.sentence;
    }
  }).join();
  if (!failed.empty()) throw Failed{failed};
}

std::string in_a_fresh_thread(Subject& subject) {
  subject.clear();
  elsewhere([&] {
    subject.update(subject.stream());
    subject.run(subject.stream());
  });
  return subject.same(subject.stream());
}

std::string on_two_streams(Subject& subject) {
  GpuMemory& memory = subject.memory();
  const attnrt_stream other = memory.another_stream();
  subject.clear();
  subject.update(subject.stream());
  memory.wait(other, memory.mark(subject.stream()));
  subject.run(other);
  return subject.same(other);
}

// Captured in the mode that forbids the most to all threads, while another one creates an op.
std::string captured(Subject& subject, bool with_update) {
  GpuMemory& memory = subject.memory();
  subject.clear();
  if (!memory.capture_begin(subject.stream())) throw Failed{memory.trouble()};
  std::string failed;
  try {
    if (with_update) subject.update(subject.stream());
    subject.run(subject.stream());
    elsewhere([&] { subject.create_another(); });
  } catch (const Failed& failure) {
    failed = failure.sentence;
  }
  void* const graph = memory.capture_end(subject.stream());
  if (!failed.empty()) throw Failed{failed};
  if (!graph) throw Failed{memory.trouble()};
  subject.update(subject.stream());
  memory.replay(graph, subject.stream());
  std::string told = subject.same(subject.stream());
  memory.forget(graph);
  return told;
}

std::string in_a_forked_child(const attnrt_variant& variant, const attnrt_problem& problem) {
  const pid_t child = fork();
  if (!child) {
    Sink sink;
    attnrt_kernel_op* op = nullptr;
    const attnrt_host host{sizeof(attnrt_host),
                           ATTNRT_ABI_MAJOR,
                           ATTNRT_ABI_MINOR,
                           0,
                           nullptr,
                           [](void*, int32_t, const char*) {},
                           nullptr};
    const attnrt_status status = variant.create(&variant, &host, &problem, {ATTNRT_DEVICE_CUDA, 0}, &op, sink.get());
    _exit(status == ATTNRT_UNAVAILABLE && sink.count() ? 0 : 1 + status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) throw Failed{sdk::say("the child died of signal ", WTERMSIG(status))};
  if (WEXITSTATUS(status))
    throw Failed{sdk::say("create answered ", WEXITSTATUS(status) - 1, " in the child, wanted UNAVAILABLE")};
  return "create is UNAVAILABLE in the child";
}

}  // namespace

void try_engine(Trial& trial) {
  for (const Trial::Subject& one : trial.subjects()) {
    std::unique_ptr<Subject> subject;
    if (!trial.step(one.backend + " run", [&] {
          subject = std::make_unique<Subject>(trial, *one.variant);
          return std::string("a batch of the grid");
        }))
      return;
    const bool captures = one.variant->caps->graph_level == ATTNRT_GRAPH_ALWAYS;
    trial.step(one.backend + " fresh thread", [&] { return in_a_fresh_thread(*subject); });
    trial.step(one.backend + " two streams", [&] { return on_two_streams(*subject); });
    if (captures) trial.step(one.backend + " captured run", [&] { return captured(*subject, false); });
    if (captures) trial.step(one.backend + " captured update", [&] { return captured(*subject, true); });
  }
  const Trial::Subject& first = trial.subjects()[0];
  conformance::GridOptions options;
  options.arch = trial.arch;
  const attnrt_problem problem = conformance::sample_cases(*first.variant, options, 1)[0].problem;
  trial.step("fork after an op", [&] { return in_a_forked_child(*first.variant, problem); });
}

}  // namespace attnrt::trial
