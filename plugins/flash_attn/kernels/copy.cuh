// SPDX-License-Identifier: Apache-2.0
//
// copy.cuh: from global to shared memory (data sheet)
//   unit      a piece of 16 bytes; what is not there becomes zeros, its address is not followed
//   aligned   cp.async.cg of 16 bytes, in groups that are waited for in order (PTX ISA 9.7.9.25.3)
//   else      eight loads of 2 bytes and a store, done when the call returns
//   e4m3      eight bytes become a piece on the way, through registers: such reads are not asynchronous
#ifndef ATTNRT_FLASH_COPY_CUH
#define ATTNRT_FLASH_COPY_CUH

namespace attnrt::flash {

__device__ inline unsigned shared_address(const void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

/// 16 bytes to shared memory, or zeros.
__device__ inline void copy_piece(unsigned to, const char* from, bool there, bool aligned) {
  if (aligned) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
    return;
  }
  unsigned words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const auto* const pair = reinterpret_cast<const unsigned short*>(from) + 2 * i;
    words[i] = there ? pair[0] | static_cast<unsigned>(pair[1]) << 16 : 0;
  }
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(words[0]), "r"(words[1]), "r"(words[2]),
               "r"(words[3])
               : "memory");
}

/// How K and V are stored: as they are multiplied, or as e4m3.
enum class Stored { kAsIs, kE4m3 };
template <Stored kStored>
constexpr int kStoredBytes = kStored == Stored::kAsIs ? 2 : 1;

/// A piece of K or V to shared memory in q's dtype, or zeros.
template <class Element, Stored kStored>
__device__ void copy_stored(unsigned to, const char* from, bool there, bool aligned) {
  if (kStored == Stored::kAsIs) return copy_piece(to, from, there, aligned);
  unsigned short pairs[4] = {};
  if (there && aligned) {
    asm volatile("ld.global.nc.v4.b16 {%0, %1, %2, %3}, [%4];"
                 : "=h"(pairs[0]), "=h"(pairs[1]), "=h"(pairs[2]), "=h"(pairs[3])
                 : "l"(from));
  } else if (there) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) pairs[i] = static_cast<unsigned short>(bytes[2 * i] | bytes[2 * i + 1] << 8);
  }
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(Element::of_e4m3(pairs[0])),
               "r"(Element::of_e4m3(pairs[1])), "r"(Element::of_e4m3(pairs[2])), "r"(Element::of_e4m3(pairs[3]))
               : "memory");
}

/// Ends a group of copies.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until at most the last `kPending` groups of this thread are under way.
template <int kPending>
__device__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace attnrt::flash
#endif
