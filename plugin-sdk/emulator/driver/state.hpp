// SPDX-License-Identifier: Apache-2.0
//
// What a driver knows: devices with their contexts, streams, captures. Every function of the API enters through
// `enter`, which refuses what CUDA or HIP refuse before they look at arguments. What the two do differently is Face.
#ifndef ATTNRT_EMULATOR_STATE_HPP
#define ATTNRT_EMULATOR_STATE_HPP
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fault.hpp"
#include "handle.hpp"
#include "memory_map.hpp"
#include "mode.hpp"
#include "planned_errors.hpp"
#include "stream.hpp"

namespace attnrt::emulator {

class Context;

/// The device that is played.
struct DeviceModel {
  uint32_t arch = 0;  ///< 90 = 9.0, 0x942 = gfx942
  uint32_t multiprocessors = 0;
  uint32_t shared_bytes = 0;  ///< of shared memory or LDS that a block may have
  uint32_t shared_multiprocessor = 0;
  uint32_t count = 1;
};

/// What a driver of its own is.
struct Face {
  const char* library;  ///< its name, for the log
  const char* platform;
  const char* devices;  ///< those that it plays, for messages
  const char* usual;    ///< the one that it plays unless told
  /// Of "cuda:9.0" or "9.0"; false where it is no device that the driver plays.
  bool (*model_named)(const std::string& name, DeviceModel& model);
  /// The context of the calling thread. Throws Refusal where there is none.
  Context& (*current)();
  /// Does a call that needs no context need the driver's initialisation first?
  bool asks_for_initialisation;
  Result (*code_of)(Answer answer);
};
extern const Face face;

struct LoadedModule;  ///< each driver's own
struct Event {
  Context* context;
  bool timed = true, recorded = false;
  Ticket ticket;
  std::shared_ptr<std::atomic<int64_t>> nanoseconds;  ///< when the record was reached
  std::shared_ptr<Capture> capture;                   ///< recorded in it
  std::map<Stream*, uint64_t> seen;
};
struct Graph {
  std::shared_ptr<std::vector<Work>> nodes;
};
struct GraphExec {
  Context* context;
  std::shared_ptr<std::vector<Work>> nodes;
  Ticket last;  ///< launches of one graph run one after the other
};

/// The primary context of a device. Its memory is the device's.
class Context {
 public:
  Context(uint32_t ordinal, const DeviceModel& model);
  const uint32_t ordinal;
  const DeviceModel& model;
  GlobalMemory memory;
  uint32_t retained = 0;
  std::shared_ptr<Stream> legacy;
  std::map<StreamHandle, std::shared_ptr<Stream>> streams;
  std::map<std::thread::id, std::shared_ptr<Stream>> per_thread;
  std::set<LoadedModule*> modules;
  std::set<Event*> events;
  std::set<void*> host_pieces;

  /// An error that a kernel left stays for the life of the process.
  std::atomic<Result> sticky{kSuccess};
  void fail(const Fault& fault);
};

struct State {
  std::mutex mutex;  ///< of all that follows; never held while a kernel runs
  bool initialised = false;
  int pid = 0;
  DeviceModel model;
  Mode mode;
  PlannedErrors planned;
  std::vector<std::unique_ptr<Context>> contexts;
  std::set<std::shared_ptr<Capture>> captures;
  std::set<Graph*> graphs;
  std::set<GraphExec*> execs;
  std::string complaint;  ///< why the last call was refused, or the last kernel failed
};
State& state();

/// Of cuThreadExchangeStreamCaptureMode.
int& thread_capture_mode();

/// Thrown inside the driver; becomes the result.
struct Refusal {
  Result code;
  std::string sentence;
};
[[noreturn]] void refuse(Result code, std::string sentence);

/// cuInit, hipInit: under the mutex. Throws Refusal.
void initialise();

/// A sentence for ATTNRT_EMULATOR_LOG that is no complaint.
void note(const std::string& sentence);

enum class Needs { nothing, initialisation, context };
/// Runs a function of the API under the mutex. `body` may throw Refusal.
Result enter(const char* name, Needs needs, const std::function<void(Context*)>& body);

/// Throws Refusal where a capture forbids the call, and spoils the capture as CUDA does.
void outside_captures(const char* name);
/// The stream behind a handle of this context. Throws Refusal.
Stream& stream_of(Context& context, StreamHandle handle);
/// Puts work into a stream, or into the capture that it takes part in. Faults of the work stay in the context.
void enqueue(Context& context, Stream& stream, Work work);
/// Waits without holding the mutex, which the caller holds.
void wait_for(const Ticket& ticket);
void wait_for_all(Context& context);

}  // namespace attnrt::emulator
#endif
