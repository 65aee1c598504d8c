// SPDX-License-Identifier: Apache-2.0
//
// A row of cases/*.json: what is asked, run through the public API, and compared with what is expected.
#ifndef ATTNRT_TESTS_SELECTION_CASE_HPP
#define ATTNRT_TESTS_SELECTION_CASE_HPP
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "attnrt/runtime.hpp"

namespace attnrt::tests {

/// The rows of a file in this folder.
boost::json::array read_rows(const std::string& file);

/// The folders of a set of fixture plugins as a plugin path; `plugins` empty = all of the set.
std::string plugin_path(const std::string& set, const std::vector<std::string>& plugins = {});

/// A problem for a device with the row's fields set.
attnrt_problem problem_of(const Runtime& runtime, const std::string& device, const boost::json::object& fields);

/// Removes every variable that a selection listens to.
void clear_environment();

/// Runs a row. One sentence for each difference between the answer and row["expect"].
std::vector<std::string> run_case(const boost::json::object& row);

}  // namespace attnrt::tests
#endif
