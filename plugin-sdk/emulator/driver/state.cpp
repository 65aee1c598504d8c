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

void write_log(const std::string& sentence) {
  const char* const log = std::getenv("ATTNRT_EMULATOR_LOG");
  if (!log) return;
  std::FILE* const file = std::strcmp(log, "stderr") == 0 ? stderr : std::fopen(log, "a");
  if (!file) return;
  std::fprintf(file, "%s: %s\n", face.library, sentence.c_str());
  if (file != stderr) std::fclose(file);
}

void complain(const std::string& sentence) {
  state().complaint = sentence;
  write_log(sentence);
}

// Errors that end a context.
bool of_kernel(Result code) {
  return code == kLaunchFailed || code == kIllegalAddress || code == kMisalignedAddress || code == kIllegalInstruction ||
         code == kLaunchTimeout;
}

std::unique_lock<std::mutex>*& held() {
  thread_local std::unique_lock<std::mutex>* lock = nullptr;
  return lock;
}

}  // namespace

Context::Context(uint32_t number, const DeviceModel& device)
    : ordinal(number), model(device), legacy(std::make_shared<Stream>(*this, true)) {}

void Context::fail(const Fault& fault) {
  Result none = kSuccess;
  if (!sticky.compare_exchange_strong(none, face.code_of(fault.answer))) return;
  const std::lock_guard lock(state().mutex);
  complain(fault.what());
}

// Never destroyed: threads of streams may outlive the statics.
State& state() {
  static State* const all = [] {
    auto* made = new State;
    const char* const named = std::getenv("ATTNRT_EMULATOR_DEVICE");
    const char* const device = named ? named : face.usual;
    if (!face.model_named(device, made->model)) {
      made->model.count = 0;
      made->complaint = say("ATTNRT_EMULATOR_DEVICE is ", device, ", wanted ", face.devices);
    }
    if (const char* const count = std::getenv("ATTNRT_EMULATOR_DEVICES"); count && made->model.count)
      made->model.count = static_cast<uint32_t>(std::strtoul(count, nullptr, 10));
    read_mode(std::getenv("ATTNRT_EMULATOR_MODE"), made->mode);
    made->mode.count_wavefronts = std::getenv("ATTNRT_EMULATOR_COVERAGE") != nullptr;
    made->planned.plan(std::getenv("ATTNRT_EMULATOR_FAIL"));
    for (uint32_t i = 0; i < made->model.count; ++i)
      made->contexts.push_back(std::make_unique<Context>(i, made->model));
    return made;
  }();
  return *all;
}

int& thread_capture_mode() {
  thread_local int mode = kCaptureGlobal;
  return mode;
}

void initialise() {
  State& all = state();
  if (all.initialised && all.pid != getpid()) refuse(kNotInitialized, say(face.platform, " was used before this fork"));
  if (all.contexts.empty()) refuse(kNoDevice, all.complaint);
  all.initialised = true;
  all.pid = getpid();
}

void note(const std::string& sentence) { write_log(sentence); }

void refuse(Result code, std::string sentence) { throw Refusal{code, std::move(sentence)}; }

Result enter(const char* name, Needs needs, const std::function<void(Context*)>& body) {
  State& all = state();
  std::unique_lock lock(all.mutex);
  held() = &lock;
  Result result = kSuccess;
  try {
    if (const Result planned = all.planned.answer(name)) {
      try {
        if (of_kernel(planned)) face.current().sticky = planned;
      } catch (const Refusal&) {  // no context whose kernel could have failed
      }
      refuse(planned, "was asked to fail");
    }
    if (needs != Needs::nothing) {
      if (!face.asks_for_initialisation && !all.initialised) initialise();
      if (!all.initialised) refuse(kNotInitialized, "the driver was not initialised");
      if (all.pid != getpid()) refuse(kNotInitialized, say(face.platform, " was used before this fork"));
    }
    Context* context = nullptr;
    if (needs == Needs::context) {
      context = &face.current();
      if (const Result error = context->sticky.load()) return error;
    }
    body(context);
    // What a kernel of before did may be told by any call that comes later.
    if (context)
      if (const Result error = context->sticky.load()) result = error;
  } catch (const Refusal& refusal) {
    complain(say(name, ": ", refusal.sentence));
    result = refusal.code;
  } catch (const std::bad_alloc&) {
    result = kOutOfMemory;
  } catch (const std::exception& error) {
    complain(say(name, ": ", error.what()));
    result = kLaunchFailed;
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
  if (forbidden) refuse(kStreamCaptureUnsupported, say(name, " while a stream captures"));
}

Stream& stream_of(Context& context, StreamHandle handle) {
  const auto number = reinterpret_cast<uintptr_t>(handle);
  if (number <= 1) {
    for (const auto& capture : state().captures)
      if (&capture->origin->context == &context && capture->origin->blocking && capture->mode != kCaptureRelaxed) {
        capture->invalid = true;
        refuse(kStreamCaptureImplicit, "the legacy stream is used while a stream that it orders captures");
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
    if (other->streams.count(handle)) refuse(kInvalidHandle, "the stream belongs to another context");
  refuse(kInvalidHandle, "a stream that is none");
}

void enqueue(Context& context, Stream& stream, Work work) {
  if (stream.capture) {
    if (stream.capture->invalid) refuse(kStreamCaptureInvalidated, "the capture was spoilt before");
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

}  // namespace attnrt::emulator
