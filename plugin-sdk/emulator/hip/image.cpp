// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include "beside.hpp"
#include "code_object.hpp"
#include "face.hpp"
#include "host_compiler.hpp"
#include "lowering.hpp"
#include "sha256.hpp"

namespace attnrt::emulator::hip {
namespace {

// Hidden arguments that the runtime fills from the launch alone; for the others it sets up services of its own.
bool is_of_launch(const std::string& kind) {
  return kind.find("block_count") != std::string::npos || kind.find("group_size") != std::string::npos ||
         kind.find("remainder") != std::string::npos || kind.find("global_offset") != std::string::npos ||
         kind == "hidden_grid_dims" || kind == "hidden_none" || kind == "hidden_dynamic_lds_size";
}

// What a kernel does not fail of and nobody wants.
void tell_costs(const amd::KernelInfo& kernel) {
  if (kernel.vgpr_spills || kernel.private_bytes)
    note(say(kernel.name, " spills ", kernel.vgpr_spills, " vector registers and keeps ", kernel.private_bytes,
             " bytes of scratch a lane"));
  std::string services;
  for (const std::string& kind : kernel.hidden)
    if (!is_of_launch(kind)) services += (services.empty() ? "" : ", ") + kind;
  if (!services.empty()) note(say(kernel.name, " wants of the runtime: ", services));
}

amd::CodeObject checked(std::string_view image, uint32_t arch) {
  amd::CodeObject object;
  try {
    object = amd::read_code_object(image);
  } catch (const TextFault& fault) {
    refuse(kInvalidImage, fault.what());
  }
  if (object.arch != arch)
    refuse(kNoBinaryForGpu,
           object.arch ? say("a code object for ", arch_name(object.arch), ", the device is ", arch_name(arch))
                       : say("a code object for machine ", object.machine, ", the device is ", arch_name(arch)));
  if (object.version < 5 || object.version > 6)
    refuse(kInvalidImage, say("a code object of version ", object.version, ", wanted 5 or 6"));
  if (object.kernels.size() != 1)
    refuse(kInvalidImage, say("a code object with ", object.kernels.size(), " kernels, wanted 1"));
  return object;
}

}  // namespace

std::unique_ptr<amd::Kernel> kernel_of(const void* image, uint32_t arch) {
  if (!image) refuse(kInvalidValue, "no image");
  const std::size_t size = amd::code_object_size(image);
  if (!size) refuse(kInvalidImage, "an image that is no code object for AMD's devices");
  const std::string_view bytes(static_cast<const char*>(image), size);
  const amd::CodeObject object = checked(bytes, arch);
  auto kernel = std::make_unique<amd::Kernel>();
  kernel->info = object.kernels[0];
  const std::string name = sha256(bytes.data(), bytes.size()) + ".ll";
  const Beside found = find_beside(image, ".llir", "ATTNRT_EMULATOR_LLIR", name);
  if (found.file.empty())
    refuse(kNoBinaryForGpu, say("the emulator runs LLVM's IR and has none for this code object of ", kernel->info.name,
                                ": ", name, " is in none of ", found.folders));
  kernel->source = found.text;
  kernel->from = found.file;
  try {
    amd::Lowered lowered = amd::lower(kernel->source, kernel->info);
    kernel->sites = std::move(lowered.sites);
    kernel->code = amd::compile(lowered.text);
  } catch (const TextFault& fault) {
    refuse(kInvalidPtx, say(kernel->info.name, ", ", found.file, ": ", fault.what()));
  }
  tell_costs(kernel->info);
  return kernel;
}

}  // namespace attnrt::emulator::hip
