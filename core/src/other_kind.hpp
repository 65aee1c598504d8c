// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "choice.hpp"

namespace attnrt::core {

/// Does this candidate's backend serve other families or other types of device alone, so that each of its variants is
/// refused whatever else the problem says? A report then names it and leaves its variants out. Never so for a backend
/// that somebody asked for. Pure.
bool of_other_kind(const Choice& choice, const Candidate& candidate);

}  // namespace attnrt::core
