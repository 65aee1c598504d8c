// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "program.hpp"
#include "scratch.hpp"

namespace json = boost::json;

Outcome attnrt_program(const std::string& arguments, const std::string& environment) {
  const Scratch scratch("program");
  const std::string command =
      "env -u ATTNRT_PLUGIN_PATH -u ATTNRT_PRIORITY -u VLLM_ATTENTION_BACKEND -u ATTNRT_OVERRIDE "
      "-u VLLM_BATCH_INVARIANT " +
      environment + " " ATTNRT_TEST_PROGRAM " " + arguments + " 2>" + scratch.file("err");
  Outcome outcome;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    outcome.out.append(buffer.data(), n);
  const int raw = ::pclose(pipe);
  outcome.status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  std::ostringstream err;
  err << std::ifstream(scratch.file("err")).rdbuf();
  outcome.err = err.str();
  return outcome;
}

json::value attnrt_json(const std::string& arguments, int status) {
  const Outcome outcome = attnrt_program(arguments);
  INFO(arguments << "\n" << outcome.err << outcome.out);
  REQUIRE(outcome.status == status);
  json::error_code error;
  const json::value value = json::parse(outcome.out, error);
  REQUIRE_FALSE(error);
  REQUIRE(value.is_object());
  return value;
}

std::string fixture(const std::string& name) { return std::string(ATTNRT_TEST_DATA "/") + name + ".safetensors"; }
