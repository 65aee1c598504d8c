// SPDX-License-Identifier: Apache-2.0
#include "state.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fault.hpp"

namespace attnrt::emulator {
namespace {

// "late=0,seed=3,perturbed=1,races=0,unwritten=0,threads=2"
void read_mode(const char* text, Mode& mode) {
  std::string rest = text ? text : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string word = rest.substr(0, end);
    rest.erase(0, end + 1);
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const uint64_t value = equals == std::string::npos ? 1 : std::strtoull(word.c_str() + equals + 1, nullptr, 10);
    if (name == "late") mode.late = value != 0;
    if (name == "seed") mode.seed = value;
    if (name == "perturbed") mode.perturbed = value != 0;
    if (name == "races") mode.report_races = value != 0;
    if (name == "unwritten") mode.report_unwritten = value != 0;
    if (name == "threads") mode.threads = static_cast<uint32_t>(value);
  }
}

void complain(const std::string& sentence) {
  state().complaint = sentence;
  const char* const log = std::getenv("ATTNRT_EMULATOR_LOG");
  if (!log) return;
  std::FILE* const file = std::strcmp(log, "stderr") == 0 ? stderr : std::fopen(log, "a");
  if (!file) return;
  std::fprintf(file, "attnrt_cuda_emulator: %s\n", sentence.c_str());
  if (file != stderr) std::fclose(file);
}

CuResult code_of(Answer answer) {
  switch (answer) {
    case Answer::launch_failed:
      return CUDA_ERROR_LAUNCH_FAILED;
    case Answer::illegal_address:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case Answer::misaligned_address:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case Answer::illegal_instruction:
      return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case Answer::timeout:
      return CUDA_ERROR_LAUNCH_TIMEOUT;
  }
  return CUDA_ERROR_LAUNCH_FAILED;
}

// Errors that end a context.
bool of_kernel(CuResult code) {
  return code == CUDA_ERROR_LAUNCH_FAILED || code == CUDA_ERROR_ILLEGAL_ADDRESS ||
         code == CUDA_ERROR_MISALIGNED_ADDRESS || code == CUDA_ERROR_ILLEGAL_INSTRUCTION ||
         code == CUDA_ERROR_LAUNCH_TIMEOUT;
}

std::unique_lock<std::mutex>*& held() {
  thread_local std::unique_lock<std::mutex>* lock = nullptr;
  return lock;
}

}  // namespace

bool model_named(const std::string& name, DeviceModel& model) {
  const std::string version = name.rfind("cuda:", 0) == 0 ? name.substr(5) : name;
  struct Known {
    const char* version;
    uint32_t arch, multiprocessors, shared_kib;
  };
  // Multiprocessors and shared memory of a common device of each architecture (CUDA programming guide, appendix on
  // compute capabilities).
  static constexpr Known known[] = {{"8.0", 80, 108, 163}, {"8.6", 86, 84, 99},     {"8.9", 89, 128, 99},
                                    {"9.0", 90, 132, 227}, {"10.0", 100, 148, 227}, {"12.0", 120, 170, 99}};
  for (const Known& k : known)
    if (version == k.version) {
      model.arch = k.arch;
      model.multiprocessors = k.multiprocessors;
      model.shared_opt_in = k.shared_kib * 1024;
      model.shared_multiprocessor = (k.shared_kib + 1) * 1024;
      return true;
    }
  return false;
}

Context::Context(uint32_t number, const DeviceModel& device)
    : ordinal(number), model(device), legacy(std::make_shared<Stream>(*this, true)) {}

void Context::fail(const Fault& fault) {
  CuResult none = CUDA_SUCCESS;
  if (!sticky.compare_exchange_strong(none, code_of(fault.answer))) return;
  const std::lock_guard lock(state().mutex);
  complain(fault.what());
}

// Never destroyed: threads of streams may outlive the statics.
State& state() {
  static State* const all = [] {
    auto* made = new State;
    const char* const device = std::getenv("ATTNRT_EMULATOR_DEVICE");
    if (device && !model_named(device, made->model)) {
      made->model.count = 0;
      made->complaint = say("ATTNRT_EMULATOR_DEVICE is ", device, ", wanted cuda:8.0, 8.6, 8.9, 9.0, 10.0 or 12.0");
    }
    if (const char* const count = std::getenv("ATTNRT_EMULATOR_DEVICES"); count && made->model.count)
      made->model.count = static_cast<uint32_t>(std::strtoul(count, nullptr, 10));
    read_mode(std::getenv("ATTNRT_EMULATOR_MODE"), made->mode);
    made->planned.plan(std::getenv("ATTNRT_EMULATOR_FAIL"));
    for (uint32_t i = 0; i < made->model.count; ++i)
      made->contexts.push_back(std::make_unique<Context>(i, made->model));
    return made;
  }();
  return *all;
}

std::vector<Context*>& current_contexts() {
  thread_local std::vector<Context*> contexts;
  return contexts;
}
int& thread_capture_mode() {
  thread_local int mode = kCaptureGlobal;
  return mode;
}

void refuse(CuResult code, std::string sentence) { throw Refusal{code, std::move(sentence)}; }

CuResult enter(const char* name, Needs needs, const std::function<void(Context*)>& body) {
  State& all = state();
  std::unique_lock lock(all.mutex);
  held() = &lock;
  CuResult result = CUDA_SUCCESS;
  try {
    if (const CuResult planned = all.planned.answer(name)) {
      Context* const failing = current_contexts().empty() ? nullptr : current_contexts().back();
      if (failing && of_kernel(planned)) failing->sticky = planned;
      refuse(planned, "was asked to fail");
    }
    if (needs != Needs::nothing && (!all.initialised || all.pid != getpid()))
      refuse(CUDA_ERROR_NOT_INITIALIZED, all.initialised ? "CUDA was used before this fork" : "cuInit was not called");
    Context* context = nullptr;
    if (needs == Needs::context) {
      context = current_contexts().empty() ? nullptr : current_contexts().back();
      if (!context) refuse(CUDA_ERROR_INVALID_CONTEXT, "no context is current in this thread");
      if (!context->retained) refuse(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context was released");
      if (const CuResult error = context->sticky.load()) return error;
    }
    body(context);
    // What a kernel of before did may be told by any call that comes later.
    if (context)
      if (const CuResult error = context->sticky.load()) result = error;
  } catch (const Refusal& refusal) {
    complain(say(name, ": ", refusal.sentence));
    result = refusal.code;
  } catch (const std::bad_alloc&) {
    result = CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    complain(say(name, ": ", error.what()));
    result = CUDA_ERROR_LAUNCH_FAILED;
  }
  held() = nullptr;
  return result;
}

void outside_captures(const char* name) {
  const int mode = thread_capture_mode();
  if (mode == kCaptureRelaxed) return;
  bool forbidden = false;
  for (const auto& capture : state().captures) {
    const bool own = capture->owner == std::this_thread::get_id() && capture->mode != kCaptureRelaxed;
    if (!own && !(mode == kCaptureGlobal && capture->mode == kCaptureGlobal)) continue;
    capture->invalid = true;
    forbidden = true;
  }
  if (forbidden) refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, say(name, " while a stream captures"));
}

Stream& stream_of(Context& context, CuStream handle) {
  const auto number = reinterpret_cast<uintptr_t>(handle);
  if (number <= 1) {
    for (const auto& capture : state().captures)
      if (&capture->origin->context == &context && capture->origin->blocking && capture->mode != kCaptureRelaxed) {
        capture->invalid = true;
        refuse(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the legacy stream is used while a stream that it orders captures");
      }
    return *context.legacy;
  }
  if (number == 2) {
    auto& own = context.per_thread[std::this_thread::get_id()];
    if (!own) own = std::make_shared<Stream>(context, true);
    return *own;
  }
  const auto found = context.streams.find(handle);
  if (found != context.streams.end()) return *found->second;
  for (const auto& other : state().contexts)
    if (other->streams.count(handle)) refuse(CUDA_ERROR_INVALID_HANDLE, "the stream belongs to another context");
  refuse(CUDA_ERROR_INVALID_HANDLE, "a stream that is none");
}

void enqueue(Context& context, Stream& stream, Work work) {
  if (stream.capture) {
    if (stream.capture->invalid) refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was spoilt before");
    stream.capture->nodes.push_back(std::move(work));
    ++stream.capture->length[&stream];
    stream.seen[&stream] = stream.capture->length[&stream];
    return;
  }
  std::vector<Ticket> after = std::exchange(stream.waits, {});
  if (&stream == context.legacy.get()) {
    for (const auto& [handle, other] : context.streams)
      if (other->blocking && !other->capture) after.push_back(other->last());
    for (const auto& [thread, other] : context.per_thread) after.push_back(other->last());
  } else if (stream.blocking) {
    after.push_back(context.legacy->last());
  }
  stream.push(
      [&context, work = std::move(work)] {
        if (context.sticky.load()) return;
        try {
          if (work) work();
        } catch (const Fault& fault) {
          context.fail(fault);
        } catch (const std::exception& error) {
          context.fail(Fault(Answer::launch_failed, error.what()));
        }
      },
      std::move(after));
}

void wait_for(const Ticket& ticket) {
  held()->unlock();
  ticket.wait();
  held()->lock();
}
void wait_for_all(Context& context) {
  std::vector<Ticket> all{context.legacy->last()};
  for (const auto& [handle, stream] : context.streams) all.push_back(stream->last());
  for (const auto& [thread, stream] : context.per_thread) all.push_back(stream->last());
  for (const Ticket& ticket : all) wait_for(ticket);
}

void write_coverage(const LoadedModule& loaded) {
  const char* const path = std::getenv("ATTNRT_EMULATOR_COVERAGE");
  std::FILE* const file = path ? std::fopen(path, "a") : nullptr;
  if (!file) return;
  for (const auto& kernel : loaded.module->kernels()) {
    const Coverage coverage = coverage_of(*kernel);
    std::string lines;
    for (const uint32_t line : coverage.missed_lines) lines += say(lines.empty() ? "" : ",", line);
    std::fprintf(file, "%s\t%s\t%llu\t%llu\t%s\n", loaded.from.c_str(), kernel->name.c_str(),
                 static_cast<unsigned long long>(coverage.executed),
                 static_cast<unsigned long long>(coverage.instructions), lines.c_str());
  }
  std::fclose(file);
}

}  // namespace attnrt::emulator
