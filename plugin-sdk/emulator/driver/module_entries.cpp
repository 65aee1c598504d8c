// SPDX-License-Identifier: Apache-2.0
//
// Modules, functions, launches.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "export.hpp"
#include "fault.hpp"
#include "image.hpp"
#include "loaded_module.hpp"

using namespace attnrt::emulator;

namespace {

/// Writes which instructions of each kernel ran, and the wavefronts of shared memory, to the file that
/// ATTNRT_EMULATOR_COVERAGE names.
void write_coverage(const LoadedModule& loaded) {
  const char* const path = std::getenv("ATTNRT_EMULATOR_COVERAGE");
  std::FILE* const file = path ? std::fopen(path, "a") : nullptr;
  if (!file) return;
  for (const auto& kernel : loaded.module->kernels()) {
    const Coverage coverage = coverage_of(*kernel);
    std::string missed, conflicts;
    for (const uint32_t line : coverage.missed_lines) missed += say(missed.empty() ? "" : ",", line);
    for (const Coverage::Access& access : coverage.conflicts)
      conflicts += say(conflicts.empty() ? "" : ",", access.line, ":", access.wavefronts, "/", access.ideal);
    const std::string text =
        say(loaded.from, "\t", kernel->name, "\t", coverage.executed, "\t", coverage.instructions, "\t", missed, "\t",
            coverage.wavefronts, "/", coverage.ideal_wavefronts, "\t", conflicts, "\n");
    std::fwrite(text.data(), 1, text.size(), file);
  }
  std::fclose(file);
}

LoadedModule& module_of(Context& context, CuModule handle) {
  auto* const module = reinterpret_cast<LoadedModule*>(handle);
  if (!context.modules.count(module)) refuse(CUDA_ERROR_INVALID_HANDLE, "a module that is none, or of another context");
  return *module;
}
Function& function_of(Context& context, CuFunction handle) {
  auto* const function = reinterpret_cast<Function*>(handle);
  for (const auto& owner : state().contexts)
    for (const LoadedModule* module : owner->modules)
      for (const auto& [name, known] : module->functions)
        if (known.get() == function) {
          if (owner.get() != &context) refuse(CUDA_ERROR_INVALID_HANDLE, "the function belongs to another context");
          return *function;
        }
  refuse(CUDA_ERROR_INVALID_HANDLE, "a function that is none");
}

// The block of parameters, from an array of pointers or from a packed buffer.
std::string pack_arguments(const Kernel& kernel, void** arguments, void** extra) {
  std::string block(kernel.parameter_bytes, '\0');
  if (arguments && extra) refuse(CUDA_ERROR_INVALID_VALUE, "a launch has arguments and extra");
  if (arguments) {
    for (std::size_t i = 0; i < kernel.parameters.size(); ++i)
      std::memcpy(block.data() + kernel.parameters[i].offset, arguments[i], kernel.parameters[i].bytes);
    return block;
  }
  if (!extra) {
    if (kernel.parameter_bytes)
      refuse(CUDA_ERROR_INVALID_VALUE, say(kernel.name, " takes arguments, the launch has none"));
    return block;
  }
  const void* buffer = nullptr;
  std::size_t bytes = 0;
  for (int i = 0; extra[i] != nullptr; i += 2) {
    if (i > 4) refuse(CUDA_ERROR_INVALID_VALUE, "extra does not end");
    if (extra[i] == reinterpret_cast<void*>(1))
      buffer = extra[i + 1];
    else if (extra[i] == reinterpret_cast<void*>(2))
      bytes = *static_cast<const std::size_t*>(extra[i + 1]);
    else
      refuse(CUDA_ERROR_INVALID_VALUE, "extra holds an unknown word");
  }
  // The last parameter may be followed by padding up to 8 bytes.
  if (!buffer || bytes < kernel.parameter_bytes || bytes > (kernel.parameter_bytes + 7u) / 8 * 8)
    refuse(CUDA_ERROR_INVALID_VALUE,
           say(kernel.name, ": ", bytes, " bytes of arguments, wanted ", kernel.parameter_bytes));
  std::memcpy(block.data(), buffer, block.size());
  return block;
}

void check_shape(const Context& context, const Function& function, const unsigned* grid, const unsigned* block,
                 unsigned shared) {
  const Kernel& kernel = *function.kernel;
  const auto wrong = [&](const std::string& sentence) {
    refuse(CUDA_ERROR_INVALID_VALUE, say(kernel.name, ": ", sentence));
  };
  if (!grid[0] || !grid[1] || !grid[2] || grid[0] > 0x7fffffffu || grid[1] > 65535 || grid[2] > 65535)
    wrong(say("a grid of ", grid[0], " ", grid[1], " ", grid[2], " blocks"));
  const uint64_t threads = uint64_t{block[0]} * block[1] * block[2];
  if (!threads || threads > 1024 || block[0] > 1024 || block[1] > 1024 || block[2] > 64)
    wrong(say("a block of ", threads, " threads"));
  if (threads > kernel.most_threads)
    refuse(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
           say(kernel.name, ": ", threads, " threads, compiled for ", kernel.most_threads));
  for (int i = 0; i < 3; ++i)
    if (kernel.required_threads[0] && block[i] != kernel.required_threads[i]) wrong("another block than .reqntid says");
  if (shared > function.max_dynamic_shared)
    wrong(say(shared, " bytes of dynamic shared memory, allowed are ", function.max_dynamic_shared));
  if (shared + kernel.shared_bytes > context.model.shared_bytes)
    wrong(say(shared + kernel.shared_bytes, " bytes of shared memory, the device has ", context.model.shared_bytes));
}

uint32_t default_dynamic(const Kernel& kernel) {
  return kernel.shared_bytes > 48 * 1024 ? 0 : 48 * 1024 - kernel.shared_bytes;
}

void launch(Context& c, CuFunction handle, const unsigned* grid, const unsigned* block, unsigned shared,
            CuStream stream, void** arguments, void** extra) {
  const Function& function = function_of(c, handle);
  check_shape(c, function, grid, block, shared);
  auto launched = std::make_shared<Launch>();
  launched->module = function.owner->module.get();
  launched->kernel = function.kernel;
  launched->memory = &c.memory;
  for (int i = 0; i < 3; ++i) launched->grid[i] = grid[i], launched->threads[i] = block[i];
  launched->dynamic_shared = shared;
  launched->arch = c.model.arch;
  launched->arguments = pack_arguments(*function.kernel, arguments, extra);
  launched->mode = state().mode;
  enqueue(c, stream_of(c, stream), [launched] {
    try {
      run_grid(*launched);
    } catch (const Fault& fault) {
      throw Fault(fault.answer, say(launched->kernel->name, ": ", fault.what()));
    }
  });
}

}  // namespace

ATTNRT_CUDA_ENTRY cuModuleLoadData(CuModule* handle, const void* image) {
  return enter("cuModuleLoadData", Needs::context, [&](Context* c) {
    outside_captures("cuModuleLoadData");
    PtxText ptx = ptx_of(image, c->model.arch);
    auto loaded = std::make_unique<LoadedModule>();
    loaded->context = c;
    loaded->from = ptx.from;
    try {
      loaded->module = std::make_unique<Module>(std::move(ptx.text), c->model.arch, c->memory);
    } catch (const TextFault& fault) {
      refuse(CUDA_ERROR_INVALID_PTX, say(loaded->from, ": ", fault.what()));
    }
    for (const auto& kernel : loaded->module->kernels())
      loaded->functions[kernel->name] =
          std::make_unique<Function>(Function{loaded.get(), kernel.get(), default_dynamic(*kernel)});
    *handle = reinterpret_cast<CuModule>(loaded.get());
    c->modules.insert(loaded.release());
  });
}
ATTNRT_CUDA_ENTRY cuModuleLoadDataEx(CuModule* handle, const void* image, unsigned, int*, void**) {
  return cuModuleLoadData(handle, image);
}
ATTNRT_CUDA_ENTRY cuModuleUnload(CuModule handle) {
  return enter("cuModuleUnload", Needs::context, [&](Context* c) {
    outside_captures("cuModuleUnload");
    LoadedModule& module = module_of(*c, handle);
    wait_for_all(*c);
    write_coverage(module);
    for (const Variable& variable : module.module->variables()) c->memory.release(variable.address);
    c->modules.erase(&module);
    delete &module;
  });
}
ATTNRT_CUDA_ENTRY cuModuleGetFunction(CuFunction* function, CuModule handle, const char* name) {
  return enter("cuModuleGetFunction", Needs::context, [&](Context* c) {
    LoadedModule& module = module_of(*c, handle);
    const auto found = module.functions.find(name);
    if (found == module.functions.end()) refuse(CUDA_ERROR_NOT_FOUND, say("the module has no function ", name));
    *function = reinterpret_cast<CuFunction>(found->second.get());
  });
}
ATTNRT_CUDA_ENTRY cuModuleGetGlobal_v2(CuPointer* data, std::size_t* bytes, CuModule handle, const char* name) {
  return enter("cuModuleGetGlobal", Needs::context, [&](Context* c) {
    for (const Variable& variable : module_of(*c, handle).module->variables())
      if (variable.name == name) {
        if (data) *data = variable.address;
        if (bytes) *bytes = variable.bytes;
        return;
      }
    refuse(CUDA_ERROR_NOT_FOUND, say("the module has no variable ", name));
  });
}
ATTNRT_CUDA_ENTRY cuFuncGetAttribute(int* value, int attribute, CuFunction handle) {
  return enter("cuFuncGetAttribute", Needs::context, [&](Context* c) {
    const Function& function = function_of(*c, handle);
    switch (attribute) {
      case kFunctionMaxThreads:
        *value = static_cast<int>(function.kernel->most_threads);
        return;
      case kFunctionShared:
        *value = static_cast<int>(function.kernel->shared_bytes);
        return;
      case kFunctionLocal:
        *value = static_cast<int>(function.kernel->local_bytes);
        return;
      case kFunctionConst:
        *value = 0;
        return;
      case kFunctionPtxVersion:
      case kFunctionBinaryVersion:
        *value = static_cast<int>(c->model.arch);
        return;
      case kFunctionMaxDynamicShared:
        *value = static_cast<int>(function.max_dynamic_shared);
        return;
      default:
        refuse(CUDA_ERROR_INVALID_VALUE, say("function attribute ", attribute, " is not known without machine code"));
    }
  });
}
ATTNRT_CUDA_ENTRY cuFuncSetAttribute(CuFunction handle, int attribute, int value) {
  return enter("cuFuncSetAttribute", Needs::context, [&](Context* c) {
    Function& function = function_of(*c, handle);
    if (attribute == kFunctionCarveout) return;
    if (attribute != kFunctionMaxDynamicShared)
      refuse(CUDA_ERROR_INVALID_VALUE, say("function attribute ", attribute, " cannot be set"));
    if (value < 0 || static_cast<uint32_t>(value) + function.kernel->shared_bytes > c->model.shared_bytes)
      refuse(CUDA_ERROR_INVALID_VALUE,
             say(value, " bytes of dynamic shared memory beside ", function.kernel->shared_bytes,
                 " static ones, the device has ", c->model.shared_bytes));
    function.max_dynamic_shared = static_cast<uint32_t>(value);
  });
}
ATTNRT_CUDA_ENTRY cuLaunchKernel(CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                 unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared, CuStream stream,
                                 void** arguments, void** extra) {
  return enter("cuLaunchKernel", Needs::context, [&](Context* c) {
    const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
    launch(*c, function, grid, block, shared, stream, arguments, extra);
  });
}

/// Writes the coverage of all modules that are loaded; for a program that ends without unloading them.
extern "C" __attribute__((visibility("default"))) void attnrt_emulator_flush() {
  const std::lock_guard lock(state().mutex);
  for (const auto& context : state().contexts)
    for (const LoadedModule* module : context->modules) write_coverage(*module);
}
