// SPDX-License-Identifier: Apache-2.0
//
// A loaded plugin as the dynamic linker sees it.
#ifndef ATTNRT_CONFORMANCE_IMAGE_HPP
#define ATTNRT_CONFORMANCE_IMAGE_HPP
#include <string>
#include <vector>

#include "attnrt/plugin.h"
#include "conformance/finding.hpp"

namespace attnrt::conformance {

/// Names that the library of this dlopen handle exports, sorted. [thread-safe]
std::vector<std::string> exported_symbols(void* handle);

/// "exports": attnrt_plugin_query and nothing else. "note": its ELF note says what its table says. "query": it is pure
/// and refuses majors that it does not serve. [thread-safe]
Findings check_image(void* handle, const attnrt_plugin& plugin);

}  // namespace attnrt::conformance
#endif
