// SPDX-License-Identifier: Apache-2.0
//
// binary.hpp: what the build knows of each compiled kernel. The table itself is generated beside the cubins.
#ifndef ATTNRT_TRITON_ATTN_BINARY_HPP
#define ATTNRT_TRITON_ATTN_BINARY_HPP
#include <cstddef>
#include <cstdint>

namespace attnrt::triton {

/// One kernel parameter, not a compile-time constant. Arguments are packed in the table's order, each aligned to its
/// own size; two 8-byte pointers that Triton adds (global scratch, profile scratch) follow the last one.
struct Parameter {
  const char* name;  ///< as in the kernel's source: "q_ptr"
  char type;         ///< p pointer (8 bytes), l int64 (8), i int32 (4), f fp32 (4)
};

/// One kernel compiled with one set of constants for one architecture. All pointers are static.
struct Binary {
  const char* kernel;          ///< "attention", "mla_decode", "merge_splits", "write_kv", "merge_states", "gather_kv"
  const char* symbol;          ///< the function's name in the image
  uint32_t arch;               ///< 90 = sm_90; runs on devices of that major version and at least that minor one
  const unsigned char* image;  ///< a cubin, not compressed; NULL where a test runs twins instead
  std::size_t image_size;
  uint32_t q_dtype;            ///< ATTNRT_FP32 ...: of q; of the rows that write_kv reads and gather_kv writes
  uint32_t kv_dtype;           ///< of K and V as stored; merge_splits and merge_states: of the partial results
  uint32_t out_dtype;          ///< of out
  uint32_t head_size_qk;       ///< padded class HEAD_QK: 64, 128, 256; 0 where the kernel has none
  uint32_t head_size_v;  ///< padded class HEAD_V; the pitch of partial rows, which attention and merge_splits share
  uint32_t block_m;            ///< rows a program, token and head of the group taken together; 0 where there are none
  uint32_t tile;               ///< keys a step
  uint32_t even;               ///< 1: wants pointers of q, k, v, out at 16 bytes, their
                               ///< strides and head sizes multiples of 8, where the cache is fp8 of 16
  uint32_t features;           ///< attention: 0 masks, sinks, scales; 1 also softcap, ALiBi, prefix ranges; 2 trees too
  uint32_t warps;              ///< threads a block / 32
  uint32_t stages;
  uint32_t shared_bytes;       ///< dynamic shared memory a block
  uint32_t registers;          ///< a thread
  uint32_t global_scratch_bytes;  ///< a program
  const Parameter* parameters;
  uint32_t num_parameters;     ///< without the two hidden ones
  const char* hash;            ///< of source, constants and compiler
};

extern const Binary binaries[];
extern const unsigned num_binaries;

}  // namespace attnrt::triton
#endif
