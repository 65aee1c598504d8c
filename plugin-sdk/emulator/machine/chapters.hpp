// SPDX-License-Identifier: Apache-2.0
//
// The chapters of the PTX manual, version 9.0, each a list of rules.
#ifndef ATTNRT_EMULATOR_CHAPTERS_HPP
#define ATTNRT_EMULATOR_CHAPTERS_HPP
#include <span>

#include "assembly.hpp"

namespace attnrt::emulator {

std::span<const Rule> integer_rules();          ///< 9.7.1
std::span<const Rule> float_rules();            ///< 9.7.3
std::span<const Rule> half_rules();             ///< 9.7.4
std::span<const Rule> comparison_rules();       ///< 9.7.6
std::span<const Rule> logic_rules();            ///< 9.7.8
std::span<const Rule> data_movement_rules();    ///< 9.7.9
std::span<const Rule> conversion_rules();       ///< 9.7.9.21
std::span<const Rule> async_copy_rules();       ///< 9.7.9.25
std::span<const Rule> tensor_copy_rules();      ///< 9.7.9.25.5
std::span<const Rule> control_rules();          ///< 9.7.12
std::span<const Rule> synchronization_rules();  ///< 9.7.13
std::span<const Rule> transaction_rules();      ///< 9.7.13.15
std::span<const Rule> matrix_rules();           ///< 9.7.14
std::span<const Rule> warpgroup_rules();        ///< 9.7.15
std::span<const Rule> tensor_core_rules();      ///< 9.7.16

}  // namespace attnrt::emulator
#endif
