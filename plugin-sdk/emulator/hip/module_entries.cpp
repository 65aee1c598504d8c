// SPDX-License-Identifier: Apache-2.0
//
// Modules, functions, launches.
#include <cstring>

#include "api.hpp"
#include "face.hpp"
#include "image.hpp"
#include "workgroup.hpp"

namespace attnrt::emulator {

/// A code object of HIP's, loaded; its function is its kernel.
struct LoadedModule {
  Context* context;
  std::shared_ptr<const amd::Kernel> kernel;
};

}  // namespace attnrt::emulator

using namespace attnrt::emulator;
using namespace attnrt::emulator::hip;

namespace {

LoadedModule& module_of(Context& context, ModuleHandle handle) {
  auto* const module = reinterpret_cast<LoadedModule*>(handle);
  if (!context.modules.count(module)) refuse(kInvalidHandle, "a module that is none, or of another device");
  return *module;
}
// A function's handle is its module's: they hold one kernel each.
LoadedModule& owner_of(Context& context, FunctionHandle handle) {
  auto* const module = reinterpret_cast<LoadedModule*>(handle);
  for (const auto& other : state().contexts)
    if (other->modules.count(module)) {
      if (other.get() != &context) refuse(kInvalidHandle, "the function belongs to another device");
      return *module;
    }
  refuse(kInvalidHandle, "a function that is none");
}

void read_extra(void** extra, const void*& buffer, std::size_t& bytes) {
  for (int i = 0; i <= 4; i += 2) {
    const auto word = reinterpret_cast<std::size_t>(extra[i]);
    if (word == kLaunchEnd) return;
    if (word == kLaunchBuffer)
      buffer = extra[i + 1];
    else if (word == kLaunchBufferSize)
      bytes = *static_cast<const std::size_t*>(extra[i + 1]);
    else
      refuse(kInvalidValue, say("extra holds the word ", word, ", wanted 1, 2, and 3 at its end"));
  }
  refuse(kInvalidValue, "extra does not end with HIP_LAUNCH_PARAM_END, 3");
}

std::string pack_arguments(const amd::KernelInfo& kernel, void** arguments, void** extra) {
  std::string block(kernel.explicit_bytes, '\0');
  if (arguments && extra) refuse(kInvalidValue, "a launch has arguments and extra");
  if (arguments) {
    for (std::size_t i = 0; i < kernel.parameters.size(); ++i)
      std::memcpy(block.data() + kernel.parameters[i].offset, arguments[i], kernel.parameters[i].bytes);
    return block;
  }
  const void* buffer = nullptr;
  std::size_t bytes = 0;
  if (extra) read_extra(extra, buffer, bytes);
  // The last argument may be followed by padding up to 8 bytes.
  if (block.empty()) return block;
  if (!buffer || bytes < block.size() || bytes > (block.size() + 7) / 8 * 8)
    refuse(kInvalidValue, say(kernel.name, ": ", bytes, " bytes of arguments, wanted ", block.size()));
  std::memcpy(block.data(), buffer, block.size());
  return block;
}

void check_shape(const Context& context, const amd::KernelInfo& kernel, const unsigned* grid, const unsigned* block,
                 unsigned dynamic) {
  const auto wrong = [&](Result code, const std::string& sentence) { refuse(code, say(kernel.name, ": ", sentence)); };
  const uint64_t threads = uint64_t{block[0]} * block[1] * block[2];
  if (!grid[0] || !grid[1] || !grid[2] || grid[1] > 65536 || grid[2] > 65536 ||
      uint64_t{grid[0]} * block[0] > 0xffffffffu)
    wrong(kInvalidValue,
          say("a grid of ", grid[0], " ", grid[1], " ", grid[2], " workgroups of ", block[0], " threads in x"));
  if (!threads || threads > 1024) wrong(kInvalidValue, say("a workgroup of ", threads, " threads"));
  if (kernel.most_threads && threads > kernel.most_threads)
    wrong(kLaunchFailed, say(threads, " threads, compiled for ", kernel.most_threads));
  if (block[1] != 1 || block[2] != 1 || threads % kernel.wavefront)
    wrong(kNotSupported, say("a workgroup of ", block[0], " ", block[1], " ", block[2],
                             " threads; the emulator runs whole waves in one dimension"));
  if (uint64_t{dynamic} + kernel.lds_bytes > context.model.shared_bytes)
    wrong(kInvalidValue, say(dynamic + kernel.lds_bytes, " bytes of LDS, the device has ", context.model.shared_bytes));
}

// The implicit arguments of code object version 5 (LLVM's AMDGPU usage): block counts, group sizes, dimensions.
void fill_implicit(amd::Launch& launch) {
  auto* const bytes = reinterpret_cast<char*>(launch.implicit);
  const uint16_t sizes[3] = {static_cast<uint16_t>(launch.threads), 1, 1}, dimensions = 3;
  std::memcpy(bytes, launch.grid, sizeof launch.grid);
  std::memcpy(bytes + 12, sizes, sizeof sizes);
  std::memcpy(bytes + 64, &dimensions, sizeof dimensions);
  std::memcpy(bytes + 120, &launch.dynamic_lds, sizeof launch.dynamic_lds);
}

void launch(Context& c, FunctionHandle handle, const unsigned* grid, const unsigned* block, unsigned dynamic,
            StreamHandle stream, void** arguments, void** extra) {
  const std::shared_ptr<const amd::Kernel> kernel = owner_of(c, handle).kernel;
  check_shape(c, kernel->info, grid, block, dynamic);
  auto launched = std::make_shared<amd::Launch>();
  launched->kernel = kernel.get();
  launched->memory = &c.memory;
  for (int i = 0; i < 3; ++i) launched->grid[i] = grid[i];
  launched->threads = block[0];
  launched->dynamic_lds = dynamic;
  launched->arch = c.model.arch;
  launched->arguments = pack_arguments(kernel->info, arguments, extra);
  launched->mode = state().mode;
  fill_implicit(*launched);
  enqueue(c, stream_of(c, stream), [kernel, launched] {
    try {
      amd::run_grid(*launched);
    } catch (const Fault& fault) {
      throw Fault(fault.answer, say(kernel->info.name, ": ", fault.what()));
    }
  });
}

}  // namespace

ATTNRT_HIP_ENTRY hipModuleLoadData(ModuleHandle* handle, const void* image) {
  return enter("hipModuleLoadData", Needs::context, [&](Context* c) {
    outside_captures("hipModuleLoadData");
    auto loaded = std::make_unique<LoadedModule>(LoadedModule{c, kernel_of(image, c->model.arch)});
    *handle = reinterpret_cast<ModuleHandle>(loaded.get());
    c->modules.insert(loaded.release());
  });
}
ATTNRT_HIP_ENTRY hipModuleUnload(ModuleHandle handle) {
  return enter("hipModuleUnload", Needs::context, [&](Context* c) {
    outside_captures("hipModuleUnload");
    LoadedModule& module = module_of(*c, handle);
    wait_for_all(*c);
    c->modules.erase(&module);
    delete &module;
  });
}
ATTNRT_HIP_ENTRY hipModuleGetFunction(FunctionHandle* function, ModuleHandle handle, const char* name) {
  return enter("hipModuleGetFunction", Needs::context, [&](Context* c) {
    const LoadedModule& module = module_of(*c, handle);
    if (module.kernel->info.name != name) refuse(kNotFound, say("the module has no function ", name));
    *function = reinterpret_cast<FunctionHandle>(handle);
  });
}
ATTNRT_HIP_ENTRY hipFuncGetAttribute(int* value, int attribute, FunctionHandle handle) {
  return enter("hipFuncGetAttribute", Needs::context, [&](Context* c) {
    const amd::KernelInfo& kernel = owner_of(*c, handle).kernel->info;
    switch (attribute) {
      case kFunctionMaxThreads:
        *value = static_cast<int>(kernel.most_threads);
        return;
      case kFunctionLds:
        *value = static_cast<int>(kernel.lds_bytes);
        return;
      case kFunctionPrivate:
        *value = static_cast<int>(kernel.private_bytes);
        return;
      case kFunctionRegisters:
        *value = static_cast<int>(kernel.vgprs);
        return;
      default:
        refuse(kInvalidValue, say("function attribute ", attribute, " is not known to the emulator"));
    }
  });
}
// It takes the address of a kernel's host function, which a function of a module has not.
ATTNRT_HIP_ENTRY hipFuncSetAttribute(const void*, int, int) {
  return enter("hipFuncSetAttribute", Needs::initialisation, [](Context*) {
    refuse(kInvalidDeviceFunction, "a function of a module has no attributes that can be set");
  });
}
ATTNRT_HIP_ENTRY hipModuleLaunchKernel(FunctionHandle function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                       unsigned block_x, unsigned block_y, unsigned block_z, unsigned dynamic,
                                       StreamHandle stream, void** arguments, void** extra) {
  return enter("hipModuleLaunchKernel", Needs::context, [&](Context* c) {
    const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
    launch(*c, function, grid, block, dynamic, stream, arguments, extra);
  });
}
