// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "attnrt/plugin.h"

namespace attnrt::probe {

/// A problem that a capability sheet admits, made of its first or smallest entries.
attnrt_problem sample_problem(const attnrt_caps& caps);

}  // namespace attnrt::probe
