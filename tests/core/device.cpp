// SPDX-License-Identifier: Apache-2.0
// Names of devices, and what a driver's management library tells.
#include "device.hpp"

#include <dlfcn.h>

#include "amd_devices.hpp"
#include "attnrt/cpu_isa.hpp"
#include "cpu_vendor.hpp"
#include "cuda_devices.hpp"
#include "cuda_helper.hpp"

#include "scratch.hpp"

using namespace attnrt::core;
using Catch::Matchers::Contains;

namespace {

DeviceReport report(int32_t type, int32_t id, uint32_t arch, uint64_t isa, bool present) {
  DeviceReport r;
  r.device = {type, id, arch, isa};
  r.present = present;
  r.sentence = present ? "there" : "its driver was not found";
  return r;
}

constexpr uint64_t kAvx2 = ATTNRT_ISA_AVX2, kAvx512 = kAvx2 | ATTNRT_ISA_AVX512;

/// AMD's CPU with AVX2, a GPU of compute capability 12.0, nothing for ROCm.
std::vector<DeviceReport> machine() {
  std::vector<DeviceReport> out = {report(ATTNRT_DEVICE_CPU, 0, 0, kAvx2, true),
                                   report(ATTNRT_DEVICE_CUDA, 0, 120, 0, true),
                                   report(ATTNRT_DEVICE_ROCM, 0, 0, 0, false)};
  out.front().vendor = CpuVendor::amd;
  return out;
}

}  // namespace

TEST_CASE("a device's name says which hardware, and whether it is here") {
  const struct {
    const char* text;
    Device wanted;
  } table[] = {
      {"cpu", {ATTNRT_DEVICE_CPU, 0, 0, kAvx2}},
      {"CPU", {ATTNRT_DEVICE_CPU, 0, 0, kAvx2}},
      {"cpu:avx2", {ATTNRT_DEVICE_CPU, 0, 0, kAvx2}},
      {"cpu:baseline", {ATTNRT_DEVICE_CPU, 0, 0, 0}},
      {"cpu:avx512", {ATTNRT_DEVICE_CPU, -1, 0, kAvx512}},
      {"cpu:AVX512_BF16", {ATTNRT_DEVICE_CPU, -1, 0, kAvx512 | ATTNRT_ISA_AVX512_BF16 | ATTNRT_ISA_AVX512_VNNI}},
      {"cpu:amd:avx2", {ATTNRT_DEVICE_CPU, 0, 0, kAvx2}},  // what is here
      {"CPU:Intel:avx2", {ATTNRT_DEVICE_CPU, kAskedIntel, 0, kAvx2}},
      {"cpu:intel:avx512", {ATTNRT_DEVICE_CPU, kAskedIntel, 0, kAvx512}},
      {"cpu:amd:avx512", {ATTNRT_DEVICE_CPU, kAskedAmd, 0, kAvx512}},
      {"cuda", {ATTNRT_DEVICE_CUDA, 0, 120, 0}},
      {"cuda:0", {ATTNRT_DEVICE_CUDA, 0, 120, 0}},
      {"cuda:9.0", {ATTNRT_DEVICE_CUDA, -1, 90, 0}},
      {"cuda:12.0", {ATTNRT_DEVICE_CUDA, -1, 120, 0}},
      {"cuda:8.9", {ATTNRT_DEVICE_CUDA, -1, 89, 0}},
      {"rocm:gfx942", {ATTNRT_DEVICE_ROCM, -1, 0x942, 0}},
      {"rocm:gfx90a", {ATTNRT_DEVICE_ROCM, -1, 0x90a, 0}},
      {"rocm:gfx1100", {ATTNRT_DEVICE_ROCM, -1, 0x1100, 0}},
      {"", {ATTNRT_DEVICE_CUDA, 0, 120, 0}},
  };
  for (const auto& row : table) {
    CAPTURE(row.text);
    const auto got = parse_device(row.text, machine());
    REQUIRE(got);
    CHECK(got->type == row.wanted.type);
    CHECK(got->id == row.wanted.id);
    CHECK(got->arch == row.wanted.arch);
    CHECK(got->isa == row.wanted.isa);
  }
  const std::vector<DeviceReport> plain = {report(ATTNRT_DEVICE_CPU, 0, 0, 0, true),
                                           report(ATTNRT_DEVICE_CUDA, 0, 0, 0, false)};
  CHECK(parse_device("", plain)->type == ATTNRT_DEVICE_CPU);
}

TEST_CASE("a device that is not here or not understood has its sentence") {
  const struct {
    const char* text;
    attnrt_status status;
    const char* fragment;
  } table[] = {
      {"tpu", ATTNRT_INVALID, "device is 'tpu', wanted cpu, cpu:avx2, cuda:0, cuda:9.0, rocm:0 or rocm:gfx942"},
      {":", ATTNRT_INVALID, "device is ':'"},
      {" cpu", ATTNRT_INVALID, "device is ' cpu'"},
      {"cpu:avx9", ATTNRT_INVALID, "wanted cpu:baseline, cpu:avx2, cpu:avx512, cpu:avx512_bf16 or cpu:amx"},
      {"cpu:intel", ATTNRT_INVALID, "cpu:avx512_bf16 or cpu:amx, with intel: or amd: before the level"},
      {"cpu:intel:", ATTNRT_INVALID, "device is 'cpu:intel:', wanted"},
      {"cpu:via:avx2", ATTNRT_INVALID, "device is 'cpu:via:avx2', wanted"},
      {"cpu:intel:amxx", ATTNRT_INVALID, "Did you mean 'cpu:intel:amx'?"},
      {"cuda:x", ATTNRT_INVALID, "device is 'cuda:x'"},
      {"cuda:-1", ATTNRT_INVALID, "device is 'cuda:-1'"},
      {"cuda:9.", ATTNRT_INVALID, "device is 'cuda:9.'"},
      {"cuda:.0", ATTNRT_INVALID, "device is 'cuda:.0'"},
      {"cuda:9.10", ATTNRT_INVALID, "device is 'cuda:9.10'"},
      {"cuda:0.5", ATTNRT_INVALID, "device is 'cuda:0.5'"},
      {"cuda:9.0x", ATTNRT_INVALID, "device is 'cuda:9.0x'"},
      {"cuda:99999999999", ATTNRT_INVALID, "device is 'cuda:99999999999'"},
      {"cuda:gfx942", ATTNRT_INVALID, "device is 'cuda:gfx942'"},
      {"rocm:9.0", ATTNRT_INVALID, "device is 'rocm:9.0'"},
      {"rocm:gfxyz1", ATTNRT_INVALID, "device is 'rocm:gfxyz1'"},
      {"rocm:gfx9", ATTNRT_INVALID, "device is 'rocm:gfx9'"},
      {"cuda:1", ATTNRT_UNAVAILABLE, "device 'cuda:1' is not in this machine"},
      {"rocm:0", ATTNRT_UNAVAILABLE,
       "not in this machine (its driver was not found); to ask about such hardware name its "
       "architecture, as in rocm:gfx942"},
  };
  for (const auto& row : table) {
    CAPTURE(row.text);
    const auto got = parse_device(row.text, machine());
    REQUIRE_FALSE(got);
    CHECK(got.error().code == row.status);
    CHECK_THAT(got.error().text, Contains(row.fragment));
  }
}

TEST_CASE("this machine's devices: the CPU first, every kind that is absent with its reason") {
  const auto found = detect_devices();
  REQUIRE(found.size() >= 3);
  CHECK(found[0].device.type == ATTNRT_DEVICE_CPU);
  CHECK(found[0].present);
  CHECK(found[0].device.isa == attnrt::sdk::cpu_isa());
  CHECK_FALSE(found[0].name.empty());
  for (const int32_t type : {ATTNRT_DEVICE_CUDA, ATTNRT_DEVICE_ROCM}) {
    int reports = 0;
    for (const DeviceReport& r : found) {
      if (r.device.type != type) continue;
      ++reports;
      CHECK_FALSE(r.sentence.empty());
    }
    CHECK(reports >= 1);
  }
}

TEST_CASE("AMD's devices are those of the kernel's topology that the variables of ROCm leave") {
  const Scratch scratch;
  const auto node = [&](const char* number, const std::string& text) {
    std::filesystem::create_directories(scratch.path() / "nodes" / number);
    std::ofstream(scratch.path() / "nodes" / number / "properties") << text;
  };
  node("0", "cpu_cores_count 64\ngfx_target_version 0\n");
  node("2", "simd_count 1216\ngfx_target_version 90402\nunique_id 11259375\n");  // 0xabcdef
  node("10", "simd_count 1024\ngfx_target_version 90500\nunique_id 4660\n");
  node("9", "simd_count 192\ngfx_target_version 110000\nunique_id 0\n");
  std::ofstream(scratch.path() / "kfd") << "";
  const AmdPlaces places{scratch.path() / "nodes", scratch.path() / "kfd", {}};
  const auto archs = [&](const VisibleDevices& visible) {
    std::vector<uint32_t> out;
    for (const DeviceReport& r : amd_devices(visible, places)) {
      CHECK(r.device.type == ATTNRT_DEVICE_ROCM);
      if (r.present && r.device.id == static_cast<int32_t>(out.size())) out.push_back(r.device.arch);
    }
    return out;
  };
  using List = std::vector<uint32_t>;
  CHECK(archs({}) == List{0x942, 0x1100, 0x950});  // by number, not by letters
  CHECK(archs({.cuda = {}, .hip = "2,0", .rocr = {}}) == List{0x950, 0x942});
  CHECK(archs({.cuda = "1", .hip = {}, .rocr = {}}) == List{0x1100});
  CHECK(archs({.cuda = "1", .hip = "0", .rocr = {}}) == List{0x942});
  CHECK(archs({.cuda = {}, .hip = "1", .rocr = "2, 0"}) == List{0x942});
  CHECK(archs({.cuda = {}, .hip = {}, .rocr = "GPU-1234,GPU-abcdef"}) == List{0x950, 0x942});
  CHECK(archs({.cuda = {}, .hip = "0,0,1", .rocr = {}}) == List{0x942});
  CHECK(archs({.cuda = {}, .hip = "1,-1,2", .rocr = {}}) == List{0x1100});
  const struct {
    VisibleDevices visible;
    const char* sentence;
  } none[] = {{{.cuda = {}, .hip = "7", .rocr = {}}, "no ROCm device: HIP_VISIBLE_DEVICES is '7', which names none"},
              {{.cuda = "", .hip = {}, .rocr = {}}, "no ROCm device: CUDA_VISIBLE_DEVICES is '', which names none"},
              {{.cuda = {}, .hip = {}, .rocr = "GPU-0"},
               "no ROCm device: ROCR_VISIBLE_DEVICES is 'GPU-0', which names none"}};
  for (const auto& row : none) {
    const auto found = amd_devices(row.visible, places);
    REQUIRE(found.size() == 1);
    CHECK_FALSE(found[0].present);
    CHECK(found[0].sentence == row.sentence);
  }
  const auto locked = amd_devices({}, {scratch.path() / "nodes", scratch.path() / "nothing", {}});
  REQUIRE(locked.size() == 1);
  CHECK_THAT(locked[0].sentence, Contains("nothing cannot be opened (No such file or directory), wanted read and write "
                                          "access: membership of the group render"));
  CHECK(amd_devices({}, {scratch.path() / "nowhere", {}, {}})[0].sentence ==
        "no ROCm device: /sys/class/kfd (the amdgpu driver) not found");
}

TEST_CASE("AMD's devices are those of a library in the place of HIP, where it tells of any") {
  const Scratch scratch;
  std::filesystem::create_directories(scratch.path() / "nodes" / "1");
  std::ofstream(scratch.path() / "nodes" / "1" / "properties") << "gfx_target_version 90402\n";
  std::ofstream(scratch.path() / "kfd") << "";
  AmdPlaces places{scratch.path() / "nodes", scratch.path() / "kfd", ATTNRT_TEST_FIXTURES "/fixture_kfd.so"};
  const auto archs = [&](const VisibleDevices& visible) {
    std::vector<uint32_t> out;
    for (const DeviceReport& r : amd_devices(visible, places)) out.push_back(r.present ? r.device.arch : 0);
    return out;
  };
  using List = std::vector<uint32_t>;
  CHECK(archs({}) == List{0x90a, 0x950});
  CHECK(archs({.cuda = {}, .hip = "1", .rocr = {}}) == List{0x950});
  places.device = scratch.path() / "nothing";  // which nobody opens for devices that are played
  CHECK(archs({}) == List{0x90a, 0x950});

  places = {scratch.path() / "nodes", scratch.path() / "kfd", ATTNRT_TEST_FIXTURES "/fixture_first.so"};
  CHECK(archs({}) == List{0x942});  // a library that says nothing of nodes, as ROCm's own does: the kernel's are
  places.stand_in = scratch.path() / "gone.so";
  const auto absent = amd_devices({}, places);
  REQUIRE(absent.size() == 1);
  CHECK_FALSE(absent[0].present);
  CHECK(absent[0].sentence ==
        "no ROCm device: ATTNRT_HIP_DRIVER is " + places.stand_in.string() + ", which cannot be loaded");
}

// Run with the folder of the built libnvidia-ml.so.1 in LD_LIBRARY_PATH.
TEST_CASE("a GPU that the driver tells of is there, one that is only named stays simulated", "[.][driver]") {
  const auto cuda = [] {
    for (const DeviceReport& r : detect_devices())
      if (r.device.type == ATTNRT_DEVICE_CUDA) return r;
    return DeviceReport{};
  };
  const DeviceReport gpu = cuda();
  CAPTURE(gpu.sentence);
  REQUIRE(gpu.present);
  CHECK(gpu.name == "Fake H100");
  CHECK(gpu.sentence == "compute capability 9.0, driver 580.65.06");
  CHECK(gpu.device.arch == 90);
  const auto found = detect_devices();
  CHECK(parse_device("", found)->type == ATTNRT_DEVICE_CUDA);
  CHECK(parse_device("cuda:0", found)->id == 0);
  CHECK(parse_device("cuda:0", found)->arch == 90);
  CHECK(parse_device("cuda:9.0", found)->id == -1);
  CHECK(parse_device("cuda:2", found)->arch == 120);
  CHECK(parse_device("cuda:3", found).error().code == ATTNRT_UNAVAILABLE);

  // As CUDA does: the words in their order, up to the first that names no device.
  const struct {
    const char* visible;
    std::vector<uint32_t> archs;
  } lists[] = {{"0", {90}},         {"2,0", {120, 90}}, {" 1 , 7,0", {80}}, {"GPU-cc,GPU-aabb", {120, 80}},
               {"GPU-aabb-2", {80}}, {"MIG-dddd-4", {80}}, {"", {}},           {"-1", {}},
               {"none", {}},        {"1x", {}}};
  for (const auto& list : lists) {
    CAPTURE(list.visible);
    std::vector<uint32_t> archs;
    std::string why;
    for (const DeviceReport& r : detect_devices({.cuda = list.visible, .hip = {}, .rocr = {}}))
      if (r.device.type == ATTNRT_DEVICE_CUDA) {
        if (!r.present) why = r.sentence;
        else if (r.device.id == static_cast<int32_t>(archs.size())) archs.push_back(r.device.arch);
      }
    CHECK(archs == list.archs);
    if (archs.empty()) CHECK_THAT(why, Contains("CUDA_VISIBLE_DEVICES is '" + std::string(list.visible) + "'"));
  }

  const struct {
    const char *step, *fragment;
  } failures[] = {{"init", "no CUDA device: nvmlInit_v2 answered 9, wanted 0"},
                  {"none", "no CUDA device: the driver counts none"},
                  {"emptymig", "no CUDA device: GPUs are in MIG mode and have no instance"},
                  {"handle", "CUDA device 0 gives no name or compute capability"}};
  for (const auto& failure : failures) {
    const EnvironmentVariable step("FIXTURE_NVML", failure.step);
    const DeviceReport absent = cuda();
    CHECK_FALSE(absent.present);
    CHECK(absent.sentence == failure.fragment);
    CHECK_THAT(parse_device("cuda:0", detect_devices()).error().text, Contains(failure.fragment));
  }
}

TEST_CASE("a GPU in MIG mode is its instances, and to an older driver the first one alone", "[.][driver]") {
  using List = std::vector<std::string>;
  const auto devices = [](const std::optional<std::string>& visible = {}) {
    List out;
    for (const DeviceReport& r : cuda_devices(visible)) {
      CHECK(r.device.id == static_cast<int32_t>(out.size()));
      out.push_back(r.name + " " + std::to_string(r.device.arch));
    }
    return out;
  };
  const std::string first = "Fake A100 MIG 3g.20gb 80", second = "Fake A100 MIG 4g.20gb 80";
  const EnvironmentVariable now("FIXTURE_NVML", "mig");
  CHECK(devices() == List{"Fake H100 90", first, second, "Fake 5090 120"});
  CHECK(devices("3,2") == List{"Fake 5090 120", second});
  CHECK(devices("MIG-eeee-6,0") == List{second, "Fake H100 90"});
  const EnvironmentVariable before("FIXTURE_NVML", "oldmig");
  CHECK(devices() == List{first});
}

// Run with the folder of the built libcuda.so.1 in LD_LIBRARY_PATH, on a machine without NVML.
TEST_CASE("without NVML CUDA tells its devices in another process, and never starts in this one", "[.][compute]") {
  const auto found = cuda_devices(std::nullopt);
  CAPTURE(found[0].sentence);
  REQUIRE(found.size() == 2);
  CHECK(found[0].present);
  CHECK(found[0].name == "Fake A10 of a container");
  CHECK(found[0].sentence == "compute capability 8.6, as CUDA says");
  CHECK(found[1].device.arch == 90);
  CHECK(found[1].device.id == 1);
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  REQUIRE(library);
  CHECK(*static_cast<int*>(dlsym(library, "fixture_cuda_started")) == 0);

  const std::string before = "no CUDA device: libnvidia-ml.so.1 (part of the NVIDIA driver) not found, and asking CUDA in "
                             "another process failed: ";
  const struct {
    const char *answer, *why;
  } failures[] = {{"100", "cuInit answered 100, wanted 0"}, {"mute", "it ended without a word"}};
  for (const auto& failure : failures) {
    const EnvironmentVariable answer("FIXTURE_CUDA", failure.answer);
    const auto absent = cuda_devices(std::nullopt);
    REQUIRE(absent.size() == 1);
    CHECK_FALSE(absent[0].present);
    CHECK(absent[0].sentence == before + failure.why);
  }
}

TEST_CASE("what a helper says of CUDA's devices is read as it is, or refused with its words") {
  std::vector<HelperDevice> devices;
  CHECK(read_cuda_answer("device 9 0 NVIDIA H200\ndevice 12 1 \x1b[31mGB10\n", devices) == "");
  REQUIRE(devices.size() == 2);
  CHECK(devices[0].name == "NVIDIA H200");
  CHECK(devices[1].minor == 1);
  CHECK(devices[1].name.find('\x1b') == std::string::npos);
  for (const char* said : {"device nine 0 X\n", "gpu 9 0 X\n", "device 9\n"})
    CHECK_THAT(read_cuda_answer(said, devices), Contains("it said '"));
  devices.clear();
  CHECK(read_cuda_answer("", devices) == "it ended without a word");
  CHECK(read_cuda_answer("failed cuInit answered 802, wanted 0\n", devices) == "cuInit answered 802, wanted 0");
}
