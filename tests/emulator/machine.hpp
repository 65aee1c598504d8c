// SPDX-License-Identifier: Apache-2.0
//
// Modules from text, memory from vectors, launches from arguments.
#ifndef ATTNRT_TESTS_EMULATOR_MACHINE_HPP
#define ATTNRT_TESTS_EMULATOR_MACHINE_HPP
#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "block.hpp"
#include "fault.hpp"
#include "module.hpp"

namespace attnrt::emulator::test {

class Machine {
 public:
  explicit Machine(uint32_t arch = 90) : arch_(arch) {}
  Mode mode;

  void load(const std::string& text) { module_ = std::make_unique<Module>(text, arch_, memory_); }
  const Module& module() const { return *module_; }
  GlobalMemory& memory() { return memory_; }

  template <class T>
  uint64_t put(const std::vector<T>& values) {
    const uint64_t address = memory_.allocate(values.size() * sizeof(T));
    std::memcpy(memory_.at(address, values.size() * sizeof(T), true), values.data(), values.size() * sizeof(T));
    return address;
  }
  template <class T>
  std::vector<T> get(uint64_t address, std::size_t count) {
    std::vector<T> values(count);
    std::memcpy(values.data(), memory_.at(address, count * sizeof(T), false), count * sizeof(T));
    return values;
  }
  uint64_t room(std::size_t bytes) { return memory_.allocate(bytes); }

  struct Shape {
    uint32_t grid = 1, threads = 32, shared = 0;
  };
  template <class... Args>
  void launch(const char* kernel, Shape shape, const Args&... args) {
    Launch launch;
    launch.module = module_.get();
    launch.kernel = module_->kernel(kernel);
    if (!launch.kernel) throw TextFault(std::string("there is no kernel ") + kernel);
    launch.memory = &memory_;
    launch.grid[0] = shape.grid;
    launch.threads[0] = shape.threads;
    launch.dynamic_shared = shape.shared;
    launch.arch = arch_;
    launch.mode = mode;
    (add(launch.arguments, args), ...);
    run_grid(launch);
  }

  /// The sentence that a launch fails with, "" where it does not.
  template <class... Args>
  std::string fault(const char* kernel, Shape shape, const Args&... args) {
    try {
      launch(kernel, shape, args...);
    } catch (const Fault& fault) {
      return fault.what();
    }
    return {};
  }
  /// The same of a text that does not load.
  std::string refusal(const std::string& text) {
    try {
      load(text);
    } catch (const TextFault& fault) {
      return fault.what();
    }
    return {};
  }

 private:
  template <class T>
  static void add(std::string& block, const T& value) {
    block.resize((block.size() + sizeof(T) - 1) / sizeof(T) * sizeof(T));
    block.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  uint32_t arch_;
  GlobalMemory memory_;
  std::unique_ptr<Module> module_;
};

/// A kernel `k` with these parameters, all .u64, and this body; %t is the thread's number.
inline std::string kernel(const std::string& body, int num_parameters = 2, const std::string& target = "sm_90a") {
  std::string text = ".version 8.7\n.target " + target +
                     "\n.address_size 64\n.extern .shared .align 1024 .b8 smem[];\n.visible .entry k(";
  for (int i = 0; i < num_parameters; ++i) text += (i ? ", .param .u64 p" : ".param .u64 p") + std::to_string(i);
  text +=
      ")\n{\n.reg .pred %p<64>;\n.reg .b16 %h<64>;\n.reg .b32 %r<512>;\n.reg .f32 %f<512>;\n.reg .b64 %rd<128>;\n.reg "
      ".f64 %fd<16>;\n.reg .b32 %t;\n";
  text += "mov.u32 %t, %tid.x;\n";
  for (int i = 0; i < num_parameters; ++i)
    text += "ld.param.u64 %rd" + std::to_string(i) + ", [p" + std::to_string(i) + "];\n";
  return text + body + "\nret;\n}\n";
}

/// What an instruction makes of operands a, b, c, in all lanes of a warp and in those of an odd half, which must agree.
/// The instruction names them %d, %a, %b, %c; R and A are their types, whose registers are declared as wide.
template <class R, class A, class B = A, class C = A>
R evaluate(const std::string& instruction, A a, B b = B(), C c = C(), Mode mode = {}, uint32_t arch = 90) {
  const auto bits = [](std::size_t bytes) { return std::to_string(bytes < 2 ? 16 : bytes * 8); };
  const auto raw = [](auto value) {
    uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    return word;
  };
  const std::string declare = ".reg .b" + bits(sizeof(R)) + " %d; .reg .b" + bits(sizeof(A)) + " %a; .reg .b" +
                              bits(sizeof(B)) + " %b; .reg .b" + bits(sizeof(C)) + " %c; .reg .pred %q;\n";
  const auto fetch = [&](const char* name, std::size_t bytes, int at) {
    return "ld.global.b" + std::to_string(bytes * 8) + " %" + name + ", [%rd1+" + std::to_string(at) + "];\n";
  };
  const std::string body = declare + fetch("a", sizeof(A), 0) + fetch("b", sizeof(B), 8) + fetch("c", sizeof(C), 16) +
                           "setp.eq.u64 %q, %rd2, 0;\n{ .reg .pred %o; .reg .b32 %x; and.b32 %x, %t, 1; setp.eq.u32 "
                           "%o, %x, 1; or.pred %q, %q, %o; }\n" +
                           "@!%q bra END;\n" + instruction +
                           ";\nmul.wide.u32 %rd10, %t, 8;\nadd.s64 %rd10, %rd0, %rd10;\nst.global.b" +
                           std::to_string(sizeof(R) * 8) + " [%rd10], %d;\nEND:";
  R results[2];
  for (uint64_t half = 0; half < 2; ++half) {
    Machine machine(arch);
    machine.mode = mode;
    machine.load(kernel(body, 3, "sm_" + std::to_string(arch) + (arch >= 90 ? "a" : "")));
    const uint64_t out = machine.put(std::vector<uint64_t>(32)),
                   in = machine.put(std::vector<uint64_t>{raw(a), raw(b), raw(c)});
    machine.launch("k", {}, out, in, half);
    const auto words = machine.get<uint64_t>(out, 32);
    for (uint32_t lane = half ? 1 : 0; lane < 32; lane += half ? 2 : 1)
      if (words[lane] != words[31]) throw Fault(Answer::launch_failed, "lanes disagree");
    std::memcpy(&results[half], &words[31], sizeof(R));
  }
  if (std::memcmp(&results[0], &results[1], sizeof(R)) != 0)
    throw Fault(Answer::launch_failed, "a part of a warp disagrees");
  return results[0];
}

}  // namespace attnrt::emulator::test
#endif
