// SPDX-License-Identifier: Apache-2.0
//
// Permission for AMX tile data: asked for by request_amx alone, and told in the system's words where it is refused.
#include "attnrt/amx.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "amx_requests.hpp"
#include "attnrt/cpu_isa.hpp"

using namespace attnrt::sdk;
using Catch::Matchers::Contains;

namespace {

/// A system that keeps what it was asked.
struct System {
  uint64_t features = uint64_t{1} << amx::kTileData | 0x207;
  int error = 0;
  std::vector<int> asked;
} system_;

long fake(int code, uint64_t argument) {
  system_.asked.push_back(code);
  if (code == amx::kGetSupported) {
    if (system_.features == 0) {
      errno = EINVAL;
      return -1;
    }
    *reinterpret_cast<uint64_t*>(argument) = system_.features;
    return 0;
  }
  if (code != amx::kRequest || argument != 18 || system_.error != 0) {
    errno = system_.error ? system_.error : ENOSYS;
    return -1;
  }
  return 0;
}

#if defined(__x86_64__)
/// A processor with everything up to AMX_FP16, under a system that saves all registers.
cpuid::Words all_of_amx() {
  cpuid::Words w;
  w.one.c = 1u << 12 | 1u << 27 | 1u << 29;
  w.seven.b = 1u << 5 | 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
  w.seven.c = 1u << 11;
  w.seven.d = 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25;
  w.seven1.a = 1u << 5 | 1u << 21;
  w.state = 0x600e7;
  return w;
}
constexpr uint64_t kTiles = ATTNRT_ISA_AMX_TILE | ATTNRT_ISA_AMX_BF16 | ATTNRT_ISA_AMX_INT8 | ATTNRT_ISA_AMX_FP16;
#endif

}  // namespace

TEST_CASE("a request that is granted says nothing, one that is refused the system's word") {
  system_ = {};
  CHECK(request_amx(&fake) == "");
  CHECK(system_.asked == std::vector<int>{0x1023});
  system_.error = EPERM;
  CHECK_THAT(request_amx(&fake), Contains("AMX tile data") && Contains("Operation not permitted"));
  CHECK_THAT(request_amx(&fake), !Contains("sigaltstack"));
  system_.error = ENOSPC;
  CHECK_THAT(request_amx(&fake), Contains("No space left on device") && Contains("sigaltstack") && Contains("bytes"));
}

#if defined(__x86_64__)
TEST_CASE("instruction sets are told without asking for permission") {
  system_ = {};
  const cpuid::Words words = all_of_amx();
  const uint64_t isa = cpuid::isa_of(words, &fake);
  CHECK((isa & kTiles) == kTiles);
  CHECK(system_.asked == std::vector<int>{0x1021});

  system_.features = 0x2e7;  // a system that saves AVX-512 and no tiles
  CHECK(cpuid::isa_of(words, &fake) == (isa & ~kTiles));
  system_.features = 0;  // one that does not know the question
  CHECK(cpuid::isa_of(words, &fake) == (isa & ~kTiles));
}

TEST_CASE("cpu_isa asks for nothing, request_amx does") {
  using attnrt::tests::end_under_filter;
  const int isa = end_under_filter(attnrt::tests::kKills, [] { return (cpu_isa(), true); });
  if (isa == attnrt::tests::kNoFilters) {
    WARN("the system takes no filters");
    return;
  }
  CHECK(isa == 0);
  CHECK(end_under_filter(attnrt::tests::kKills, [] { return request_amx().empty(); }) == 1000 + SIGSYS);
  CHECK(end_under_filter(EPERM, [] { return request_amx().find("Operation not permitted") != std::string::npos; }) ==
        0);
}
#endif
