// SPDX-License-Identifier: Apache-2.0
#ifndef ATTNRT_TESTS_CLI_PROGRAM_HPP
#define ATTNRT_TESTS_CLI_PROGRAM_HPP
#include <boost/json.hpp>
#include <string>

/// What one call of the real program gave.
struct Outcome {
  int status = -1;  ///< exit status; 128 + signal where it died
  std::string out, err;
};

/// Runs `attnrt ARGUMENTS` through the shell, without the variables that attnrt reads unless `environment` sets them.
Outcome attnrt_program(const std::string& arguments, const std::string& environment = "");

/// The same where standard output must be one JSON document and nothing else.
boost::json::value attnrt_json(const std::string& arguments, int status = 0);

/// tests/data/NAME.safetensors
std::string fixture(const std::string& name);

#endif
