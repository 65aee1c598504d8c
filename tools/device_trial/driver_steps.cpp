// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <set>

#include "attnrt/check.hpp"
#include "conformance/gpu_memory.hpp"
#include "conformance/grid.hpp"
#include "conformance/rig.hpp"
#include "trial.hpp"

namespace attnrt::trial {
namespace {

using conformance::GpuMemory;

std::string devices(Trial& trial) {
  const sdk::GpuDriver& driver = trial.driver();
  int version = 0, count = 0;
  want(trial, "cuDriverGetVersion", driver.driver_version(&version));
  want(trial, "cuInit", driver.init(0));
  want(trial, "cuDeviceGetCount", driver.device_count(&count));
  std::string told = sdk::say("driver for CUDA ", driver.version_name(version));
  for (int i = 0; i < count; ++i) {
    sdk::GpuDevice device = 0;
    char name[128] = "";
    int major = 0, minor = 0, shared = 0;
    want(trial, "cuDeviceGet", driver.device_get(&device, i));
    want(trial, "cuDeviceGetName", driver.device_name(name, sizeof name, device));
    want(trial, "cuDeviceGetAttribute", driver.device_attribute(&major, driver.attributes.compute_major, device));
    want(trial, "cuDeviceGetAttribute", driver.device_attribute(&minor, driver.attributes.compute_minor, device));
    want(trial, "cuDeviceGetAttribute", driver.device_attribute(&shared, driver.attributes.shared_bytes, device));
    told += sdk::say("; ", i, ": ", name, ", ", major, ".", minor, ", ", shared, " bytes of shared memory a block");
    if (i == 0) trial.arch = static_cast<uint32_t>(major * 10 + minor);
  }
  if (!count) throw Failed{told + "; no device"};
  return told;
}

// Rows of a table in the device, copied there: the pitches are the engine's own, not those that cuMemAllocPitch gives.
std::string copy_rows(Trial& trial, std::size_t from_pitch) {
  GpuMemory memory(trial.driver(), 0, false);
  constexpr std::size_t kRows = 9, kToPitch = 5120;
  const std::size_t width = std::min<std::size_t>(from_pitch, 4096);
  const conformance::Buffer from(memory, kRows * from_pitch), to(memory, kRows * kToPitch, 0);
  if (!from.ok() || !to.ok()) throw Failed{memory.trouble()};
  std::vector<uint8_t> bytes(kRows * from_pitch);
  std::iota(bytes.begin(), bytes.end(), uint8_t{1});
  from.write(0, bytes.data(), bytes.size());
  const auto address = [](const conformance::Buffer& buffer) {
    return reinterpret_cast<sdk::GpuPointer>(buffer.data());
  };
  sdk::GpuContext popped = nullptr;
  want(trial, "cuCtxPushCurrent", trial.driver().context_push(memory.context()));
  const auto stream = static_cast<sdk::GpuStream>(const_cast<void*>(memory.stream()));
  const sdk::GpuResult error =
      trial.driver().copy_2d_async(address(to), kToPitch, address(from), from_pitch, width, kRows, stream);
  trial.driver().context_pop(&popped);
  want(trial, "cuMemcpy2DAsync", error);
  memory.finish(stream);
  const std::vector<uint8_t> got = to.read();
  for (std::size_t row = 0; row < kRows; ++row)
    if (!std::equal(&bytes[row * from_pitch], &bytes[row * from_pitch] + width, &got[row * kToPitch]))
      throw Failed{sdk::say("row ", row, " is wrong")};
  if (const std::string trouble = memory.trouble(); !trouble.empty()) throw Failed{trouble};
  return sdk::say(kRows, " rows of ", width, " bytes");
}

// An op for every problem of the grid: all modules that the device runs are loaded then.
std::string create_all(Trial& trial, const Trial::Subject& subject) {
  GpuMemory memory(trial.driver(), 0, false);
  conformance::GridOptions options;
  options.arch = trial.arch;
  std::size_t created = 0, refused = 0;
  for (const conformance::Case& c : conformance::make_grid(*subject.variant, options)) {
    const conformance::Rig rig(*subject.variant, memory, c.problem);
    created += rig.op() != nullptr;
    refused += rig.status() == ATTNRT_UNSUPPORTED;
    if (!rig.op() && rig.status() != ATTNRT_UNSUPPORTED) throw Failed{text(c) + ": " + rig.faults()[0].sentence};
  }
  if (!created) throw Failed{sdk::say("none of ", refused, " problems has an op")};
  return sdk::say(created, " ops, ", trial.functions().size(), " kernels loaded so far");
}

std::string attributes(Trial& trial) {
  if (trial.functions().empty()) return "the plugin lets nobody see what it loads";
  GpuMemory memory(trial.driver(), 0, false);
  sdk::GpuContext popped = nullptr;
  want(trial, "cuCtxPushCurrent", trial.driver().context_push(memory.context()));
  std::set<std::string> told;
  std::string text;
  for (const LoadedFunction& function : trial.functions()) {
    const auto ask = [&](int attribute) {
      int value = 0;
      return trial.driver().function_get(&value, attribute, function.handle) ? -1 : value;
    };
    if (!told.insert(function.name).second) continue;
    text += sdk::say(text.empty() ? "" : "; ", function.name, ": static ", ask(sdk::kGpuFuncStaticShared), " dynamic ",
                     ask(sdk::kGpuFuncMaxDynamicShared), " local ", ask(3), " registers ", ask(4), " threads ", ask(0));
  }
  trial.driver().context_pop(&popped);
  return text;
}

}  // namespace

void try_driver(Trial& trial) {
  if (!trial.step("driver and devices", [&] { return devices(trial); })) return;
  for (const std::size_t pitch : {4, 12, 4100})
    trial.step(sdk::say("rows at a pitch of ", pitch), [&] { return copy_rows(trial, pitch); });
  for (const Trial::Subject& subject : trial.subjects())
    trial.step(subject.backend + " ops", [&] { return create_all(trial, subject); });
  trial.step("kernels", [&] { return attributes(trial); });
}

}  // namespace attnrt::trial
