// SPDX-License-Identifier: Apache-2.0
//
// bench/variants.hpp: which variants a case is measured with, each with a layout that it has, and which are left out.
#ifndef ATTNRT_CLI_BENCH_VARIANTS_HPP
#define ATTNRT_CLI_BENCH_VARIANTS_HPP
#include <string>
#include <vector>

#include "bench/result.hpp"
#include "bench/setup.hpp"

namespace attnrt::cli {

struct BenchVariants {
  std::vector<BenchWish> measured;     ///< in the order of selection; each names its variant, or "" = what is chosen
  std::vector<BenchLeftOut> left_out;  ///< variants for this family and device that nobody named and that cannot
};

/// Those of `names` ("BACKEND/variant"), or every variant that can serve the case where there are none. A wish without
/// a layout is given one for each variant: the cache that selection would give it, or, where it reads no cache,
/// contiguous keys. A variant that was named is never left out: measuring it tells why it cannot. Where nothing can,
/// the one entry has no name, and measuring it tells why.
BenchVariants bench_variants(const Runtime& runtime, const BenchCase& c, uint32_t dtype, const BenchWish& wish,
                             const std::vector<std::string>& names);

/// What the products of "BACKEND/variant" run on with inputs of this dtype on this machine.
BenchUnit unit_of_variant(const Runtime& runtime, const std::string& name, uint32_t dtype);

}  // namespace attnrt::cli
#endif
