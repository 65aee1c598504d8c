// SPDX-License-Identifier: Apache-2.0
//
// The keys and values of a batch on their way into a paged cache, and back out.
#ifndef ATTNRT_CONFORMANCE_FILLING_HPP
#define ATTNRT_CONFORMANCE_FILLING_HPP
#include <memory>
#include <string>
#include <vector>

#include "conformance/batch.hpp"
#include "conformance/cache.hpp"
#include "conformance/random.hpp"
#include "conformance/rig.hpp"

namespace attnrt::conformance {

/// Asks for the layout, makes a cache, writes it through write_kv or as the host, reads it back through gather_kv.
struct Filling {
  const Rig& rig;
  const Operands& operands;
  const std::vector<const RequestData*>& requests;  ///< in the order of the batch
  const Placement& placement;
  attnrt_stream stream;
  Random& random;
  Shelf& shelf;
  std::vector<Fault>& faults;
  std::unique_ptr<BlockTable>& table;  ///< stays NULL where the problem has no cache
  std::unique_ptr<Cache>& cache;
  RequestData edges{};  ///< rows in a block of nobody's, where the cache rounds what is written

  /// False and a fault where it cannot be filled. `garbage`: loud numbers instead of NaN where nothing may be read.
  bool fill(bool garbage);

 private:
  bool fault(const char* check, const std::string& sentence);
  bool call(const char* name, attnrt_status status, const Sink& sink);
  bool answer_layout(attnrt_kv_layout& layout);
  bool write();
  bool gather();
  const attnrt_tensor* scale_tensor(const std::vector<float>& values);
};

}  // namespace attnrt::conformance
#endif
