// SPDX-License-Identifier: Apache-2.0
//
// A kernel written in a test, as Triton would write it, run by one workgroup.
#ifndef ATTNRT_TESTS_HIP_PROGRAM_HPP
#define ATTNRT_TESTS_HIP_PROGRAM_HPP
#include <cstring>
#include <string>
#include <vector>

#include "fault.hpp"
#include "host_compiler.hpp"
#include "lowering.hpp"
#include "workgroup.hpp"

namespace attnrt::hip_test {

using namespace attnrt::emulator;
using namespace attnrt::emulator::amd;

struct Options {
  uint32_t threads = 64, lds = 0, groups = 1, arch = 0x942;
  Mode mode = {};
};

/// The module around a body that has %out and %in, pointers to global memory, and %lane.
inline std::string module_of(const std::string& body) {
  return "target triple = \"amdgpu9.42-amd-amdhsa\"\n@global_smem = external local_unnamed_addr addrspace(3) global [0 "
         "x i8], align 16\n"
         "define amdgpu_kernel void @test(ptr addrspace(1) inreg %out, ptr addrspace(1) inreg %in) #0 {\n"
         "  %lane = tail call i32 @llvm.amdgcn.workitem.id.x()\n" +
         body + "\n  ret void\n}\n";
}

/// Compiles a body. Throws TextFault.
inline Kernel kernel_of(const std::string& body) {
  Kernel kernel;
  kernel.info.name = "test";
  kernel.info.parameters = {{0, 8}, {8, 8}};
  kernel.info.explicit_bytes = 16;
  Lowered lowered = lower(module_of(body), kernel.info);
  kernel.sites = std::move(lowered.sites);
  kernel.code = compile(lowered.text);
  return kernel;
}

/// Runs a body on `in`; `out` has as many elements as threads times `each`. Throws TextFault or Fault.
template <class Out, class In>
std::vector<Out> run(const std::string& body, const std::vector<In>& in, std::size_t each = 1,
                     const Options& options = {}) {
  const Kernel kernel = kernel_of(body);
  GlobalMemory memory;
  std::vector<Out> out(options.threads * options.groups * each);
  const std::size_t in_bytes = in.size() * sizeof(In), out_bytes = out.size() * sizeof(Out);
  const uint64_t from = memory.allocate(in_bytes), to = memory.allocate(out_bytes);
  std::memcpy(memory.at(from, in_bytes, true), in.data(), in_bytes);
  Launch launch;
  launch.kernel = &kernel;
  launch.memory = &memory;
  launch.grid[0] = options.groups;
  launch.threads = options.threads;
  launch.dynamic_lds = options.lds;
  launch.arch = options.arch;
  launch.mode = options.mode;
  launch.arguments.resize(16);
  std::memcpy(launch.arguments.data(), &to, 8);
  std::memcpy(launch.arguments.data() + 8, &from, 8);
  run_grid(launch);
  std::memcpy(out.data(), memory.at(to, out_bytes, false), out_bytes);
  return out;
}

/// What a run says that fails.
template <class In>
std::string fault_of(const std::string& body, const std::vector<In>& in, const Options& options = {}) {
  try {
    run<uint32_t>(body, in, 1, options);
  } catch (const Fault& fault) {
    return fault.what();
  } catch (const TextFault& fault) {
    return std::string("text: ") + fault.what();
  }
  return "nothing";
}

/// %name = the i-th element of `in` that belongs to the lane, of `each`.
inline std::string take(const std::string& name, const std::string& type, uint32_t bytes, uint32_t each = 1,
                        uint32_t i = 0) {
  return "  %" + name + "_n = mul i32 %lane, " + std::to_string(each * bytes) + "\n  %" + name + "_m = add i32 %" +
         name + "_n, " + std::to_string(i * bytes) + "\n  %" + name +
         "_p = getelementptr i8, ptr addrspace(1) %in, i32 %" + name + "_m\n  %" + name + " = load " + type +
         ", ptr addrspace(1) %" + name + "_p, align " + std::to_string(bytes < 4 ? bytes : 4) + "\n";
}
/// The lane's element of `out`.
inline std::string give(const std::string& value, const std::string& type, uint32_t bytes) {
  return "  %give_n = mul i32 %lane, " + std::to_string(bytes) +
         "\n  %give_p = getelementptr i8, ptr addrspace(1) %out, i32 %give_n\n  store " + type + " %" + value +
         ", ptr addrspace(1) %give_p, align 4\n";
}
/// %name = the address of LDS so many bytes behind %offset.
inline std::string lds(const std::string& name, const std::string& offset) {
  return "  %" + name + " = getelementptr inbounds nuw i8, ptr addrspace(3) @global_smem, i32 " + offset + "\n";
}
inline constexpr const char* kBarrier =
    "  fence syncscope(\"workgroup\") release\n  tail call void @llvm.amdgcn.s.barrier()\n  fence "
    "syncscope(\"workgroup\") acquire\n";

}  // namespace attnrt::hip_test
#endif
