// SPDX-License-Identifier: Apache-2.0
// What counts as a slip of the pen, and what as another word.
#include "spelling/nearest.hpp"

#include <catch2/catch.hpp>

using attnrt::did_you_mean;
using attnrt::nearest;
using attnrt::slips;

TEST_CASE("a letter too many, too few, wrong, or two exchanged are one slip each") {
  CHECK(slips("verify", "verify") == 0);
  CHECK(slips("verifyy", "verify") == 1);
  CHECK(slips("verfy", "verify") == 1);
  CHECK(slips("verity", "verify") == 1);
  CHECK(slips("vreify", "verify") == 1);
  CHECK(slips("CPU-attn", "cpu_ATTN") == 0);
  CHECK(slips("", "abc") == 3);
  CHECK(slips("abc", "") == 3);
  CHECK(slips("fp4", "fp8") == 2);
  CHECK(slips("fp23", "fp32") == 1);
}

TEST_CASE("the nearest word is told, and none where all are far") {
  const std::vector<std::string> known{"CPU_ATTN", "CPU_MLA", "FLASH_ATTN", "FA2", "FA3"};
  CHECK(nearest("cpu_atn", known) == "CPU_ATTN");
  CHECK(nearest("CPUMLA", known) == "CPU_MLA");
  CHECK(nearest("FLASHATTN", known) == "FLASH_ATTN");
  CHECK(nearest("INVALID", known) == "");
  CHECK(nearest("FA4", known) == "");
  CHECK(nearest("", known) == "");
  CHECK(nearest("X", known) == "");
  CHECK(nearest(std::string(100000, 'x'), known) == "");
  CHECK(nearest("CPU_ATTN", {}) == "");
  CHECK(did_you_mean("cpu_atn", known) == ". Did you mean 'CPU_ATTN'?");
  CHECK(did_you_mean("INVALID", known) == "");
}
