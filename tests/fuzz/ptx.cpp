// SPDX-License-Identifier: Apache-2.0
// Any text as a PTX module. What is refused has a sentence that begins with a line of the text or names the target;
// what is taken has kernels whose jumps and operands stay inside them, and a short launch of it ends or has a sentence
// too.
#include "block.hpp"
#include "fault.hpp"
#include "module.hpp"
#include "target.hpp"

using namespace attnrt::emulator;
using fuzz::promise;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static constexpr uint32_t archs[] = {80, 90, 100, 120};
  fuzz::Bytes in(data, size);
  const uint32_t arch = archs[in.below(4)];
  const std::string text(reinterpret_cast<const char*>(data) + (size ? 1 : 0), size ? size - 1 : 0);
  GlobalMemory memory(1 << 24);
  try {
    const Module module(text, arch, memory);
    for (const auto& kernel : module.kernels()) {
      promise(!kernel->code.empty() && kernel->code.back().flow == Flow::exit, "a kernel ends", kernel->name);
      for (const Instruction& instruction : kernel->code) {
        if (instruction.flow == Flow::branch)
          promise(instruction.target < kernel->code.size(), "a jump stays inside", kernel->name);
        promise(instruction.flow == Flow::next || instruction.flow == Flow::pause ? instruction.run != nullptr : true,
                "an instruction can run", kernel->name);
      }
      for (const uint32_t place : kernel->places)
        promise(place < kernel->register_bytes, "an operand is inside the register file", kernel->name);
      if (kernel->shared_bytes > 100000 || kernel->register_bytes > 1000000) continue;
      Launch launch;
      launch.module = &module;
      launch.kernel = kernel.get();
      launch.memory = &memory;
      launch.threads[0] = 33;
      launch.arch = arch;
      launch.arguments.assign(kernel->parameter_bytes, '\0');
      launch.mode.threads = 1;
      launch.mode.most_instructions = 1 << 14;
      try {
        run_grid(launch);
      } catch (const Fault& fault) {
        promise(fault.what()[0] != '\0', "a fault says why");
      }
    }
  } catch (const TextFault& fault) {
    const std::string_view sentence = fault.what();
    promise(sentence.substr(0, 5) == "line ", "a refusal begins with a line", sentence);
  } catch (const Fault& fault) {
    promise(std::string_view(fault.what()).find("variable") != std::string_view::npos, "only variables need memory",
            fault.what());
  }
  return 0;
}
