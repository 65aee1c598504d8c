// SPDX-License-Identifier: Apache-2.0
//
// ring.cuh: a ring of tiles between warps that fill it and warps that read it (data sheet)
//   barriers  two mbarriers a place: full, at which each filling thread arrives, and empty, at which one lane of each
//             reading warp does; turns are told apart by a parity (PTX ISA 9.7.13.15)
//   proxies   fillers write by the generic proxy and wgmma reads by the asynchronous one: each filling thread fences
//             its own writes before it arrives
#ifndef ATTNRT_FLASH_RING_CUH
#define ATTNRT_FLASH_RING_CUH

namespace attnrt::flash {

__device__ inline void init_barrier(unsigned barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ inline void arrive(unsigned barrier) {
  asm volatile("{ .reg .b64 state; mbarrier.arrive.shared::cta.b64 state, [%0]; }" ::"r"(barrier) : "memory");
}
__device__ inline void wait_barrier(unsigned barrier, int parity) {
  unsigned done;
  do {
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
                 : "=r"(done)
                 : "r"(barrier), "r"(parity)
                 : "memory");
  } while (!done);
}
/// What this thread wrote is seen by wgmma.
__device__ inline void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// The barriers of a ring of kPlaces tiles, at `address`, 16 bytes a place. Tile i, from 0, has place i % kPlaces.
template <int kPlaces>
class Ring {
 public:
  static constexpr int kBytes = 16 * kPlaces;
  __device__ explicit Ring(unsigned address) : address_(address) {}
  /// By one thread, before anybody else uses the ring.
  __device__ void init(int filling_threads, int reading_warps) const {
    for (int i = 0; i < kPlaces; ++i) {
      init_barrier(full(i), filling_threads);
      init_barrier(empty(i), reading_warps);
    }
  }
  __device__ unsigned full(unsigned tile) const { return address_ + tile % kPlaces * 16; }
  __device__ unsigned empty(unsigned tile) const { return full(tile) + 8; }
  __device__ void wait_full(unsigned tile) const { wait_barrier(full(tile), tile / kPlaces & 1); }
  /// The first turn finds all places empty.
  __device__ void wait_empty(unsigned tile) const { wait_barrier(empty(tile), (tile / kPlaces & 1) ^ 1); }

 private:
  unsigned address_;
};

}  // namespace attnrt::flash
#endif
