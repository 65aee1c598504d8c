// SPDX-License-Identifier: Apache-2.0
//
// What is CUDA's own: devices, contexts of a thread, codes of faults.
#include "api.hpp"
#include "context_stack.hpp"
#include "state.hpp"

namespace attnrt::emulator {
namespace {

Result code_of(Answer answer) {
  switch (answer) {
    case Answer::launch_failed:
      return kLaunchFailed;
    case Answer::illegal_address:
      return kIllegalAddress;
    case Answer::misaligned_address:
      return kMisalignedAddress;
    case Answer::illegal_instruction:
      return kIllegalInstruction;
    case Answer::timeout:
      return kLaunchTimeout;
  }
  return kLaunchFailed;
}

bool cuda_named(const std::string& name, DeviceModel& model) {
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
      model.shared_bytes = k.shared_kib * 1024;
      model.shared_multiprocessor = (k.shared_kib + 1) * 1024;
      return true;
    }
  return false;
}

Context& current() {
  if (current_contexts().empty()) refuse(kInvalidContext, "no context is current in this thread");
  Context& context = *current_contexts().back();
  if (!context.retained) refuse(kContextIsDestroyed, "the context was released");
  return context;
}

}  // namespace

std::vector<Context*>& current_contexts() {
  thread_local std::vector<Context*> contexts;
  return contexts;
}

const Face face{"attnrt_cuda_emulator",
                "CUDA",
                "cuda:8.0, 8.6, 8.9, 9.0, 10.0 or 12.0",
                "cuda:9.0",
                &cuda_named,
                &current,
                true,
                &code_of};

}  // namespace attnrt::emulator
