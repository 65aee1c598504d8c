// SPDX-License-Identifier: Apache-2.0
//
// What the functions of the fake driver share. Everything here is called with the state's mutex held, which an Entry
// does.
#ifndef ATTNRT_TESTS_GPU_FAKE_STATE_HPP
#define ATTNRT_TESTS_GPU_FAKE_STATE_HPP
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "attnrt/check.hpp"
#include "fake_driver.hpp"

namespace attnrt::fake {

using namespace sdk;

using Work = std::function<void()>;  ///< something enqueued; throws BadAccess

struct Graph {
  std::vector<Work> work;
};
struct Stream {
  std::vector<Work> queue;
  std::unique_ptr<Graph> capture;  ///< while it is captured
  bool spoiled = false;            ///< something was done that a capture does not allow
};
struct Module {
  const gpu::KernelImage* binary;
};
struct Function {
  const gpu::KernelImage* binary;
  uint32_t dynamic_shared = 48 * 1024;
};
struct Fault {
  GpuResult error;
  uint32_t skip;
};

struct State {
  std::mutex mutex;
  DeviceModel model;
  const gpu::KernelImage* kernels = nullptr;
  uint32_t num_kernels = 0;
  std::unique_ptr<DeviceMemory> memory = std::make_unique<DeviceMemory>();
  std::set<Stream*> streams;
  Stream legacy;  ///< the NULL stream, after all others
  std::set<Module*> modules;
  std::map<const gpu::KernelImage*, std::unique_ptr<Function>> functions;
  std::set<Graph*> graphs;
  std::map<std::string, Fault> faults;
  std::map<std::string, uint64_t> counts;
  std::vector<LaunchRecord> launches;
  std::string complaint;
  const GpuDriver* table = nullptr;  ///< a new one for each device, so that nobody keeps what he knew of the last
  std::vector<std::unique_ptr<GpuDriver>> tables;  ///< of every device so far: a plugin may still hold one
  GpuResult sticky = 0;  ///< an illegal access; nothing works any more
};
State& state();

/// The calling thread's stack of contexts.
std::vector<GpuContext>& contexts();
GpuContext the_context();

/// Notes in words why a call fails, and gives the error.
GpuResult refuse(GpuResult error, const std::string& why);

/// Every function of the table begins with one: locks, counts, gives the error that a test asked for or that an access
/// left behind, wants a current context where the device is touched.
class Entry {
 public:
  explicit Entry(const char* name, bool needs_context = true);
  GpuResult error = 0;

 private:
  std::lock_guard<std::mutex> lock_;
};

/// 0, or the error of doing what may not be done while any stream is captured; spoils the capture.
GpuResult outside_capture(const char* what);
/// Does what a stream, or all of them, was given.
GpuResult drain(Stream& stream);
GpuResult drain_all();
/// NULL where it is no stream.
Stream* stream_of(GpuStream handle);
GpuResult enqueue(GpuStream handle, Work work);

/// The functions of the table.
namespace entry {
#define ATTNRT_FAKE_DECLARE_(member, cuda, hip, arguments) GpuResult member arguments;
ATTNRT_GPU_FUNCTIONS(ATTNRT_FAKE_DECLARE_)
#undef ATTNRT_FAKE_DECLARE_
GpuResult function_set(GpuFunction function, int attribute, int value);
}  // namespace entry

}  // namespace attnrt::fake
#endif
