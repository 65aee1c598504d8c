// SPDX-License-Identifier: Apache-2.0
//
// What was measured on this machine (tuned.hpp), brought to bear on a choice that is being made. Pure.
#pragma once
#include "choice.hpp"

namespace attnrt::core {

/// Gives a candidate's verdicts their timings and puts them in the order in which they are tried: valid and verified
/// ones, valid ones, the others; ranked by measurement in each of the first two. Where nothing was measured of them
/// the order of design stays.
void rank_variants(Choice& choice, const Candidate& candidate);

/// Ranks the backends by the variant that would be taken of each, the priority table being the order of design.
void rank_backends(Choice& choice);

/// What the order of design would have taken in the place of the chosen variant, both valid and verified alike; NULL
/// without a winner. Another one than the chosen where measuring decided.
const Verdict* by_design(const Choice& choice);
/// The verdict of the chosen variant; NULL without a winner.
const Verdict* chosen_verdict(const Choice& choice);

/// "1.25 s", "12.3 ms", "840 us": a time for people.
std::string time_text(int64_t nanoseconds);
/// Who decided the order of the chosen backend's variants, where something was measured: "5.9 times avx512_bf16 here,
/// tuned on 2026-12-01 (decode, bf16, ...)"; "" where nothing was.
std::string measured_text(const Choice& choice);

}  // namespace attnrt::core
