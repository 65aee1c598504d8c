// SPDX-License-Identifier: Apache-2.0
#include "workgroup.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "fault.hpp"

namespace attnrt::emulator::amd {
namespace {

// Of the fibre that starts: a fresh stack has no arguments.
thread_local Lane* starting = nullptr;

void lane_main() {
  Lane& lane = *starting;
  Workgroup& group = *lane.wave->group;
  group.launch().kernel->code(&lane, group.launch().arguments.data());
  group.finish(lane);
}

// The largest power of two that divides all accesses of LDS.
uint32_t granule_of(const Kernel& kernel) {
  uint32_t all = 16;
  for (const Site& site : kernel.sites)
    if (site.bytes) all |= site.bytes | site.alignment;
  return 1u << std::countr_zero(all);
}

}  // namespace

Workgroup::Workgroup(const Launch& launch) : launch_(launch), global_(*launch.memory, launch.mode.report_unwritten) {
  const Kernel& kernel = *launch.kernel;
  const uint32_t width = kernel.info.wavefront, count = (launch.threads + width - 1) / width;
  stacks_ = take_stacks(std::size_t{count} * width);
  waves_.resize(count);
  for (uint32_t w = 0; w < count; ++w) {
    waves_[w].group = this;
    waves_[w].index = w;
    waves_[w].lanes.resize(width);
    for (uint32_t l = 0; l < width; ++l) waves_[w].order.push_back(l);
    order_.push_back(w);
  }
  lds_.configure(kernel.info.lds_bytes + launch.dynamic_lds, granule_of(kernel), launch.mode.report_races,
                 launch.mode.report_unwritten);
}

// xorshift64* (Vigna, 2016)
uint32_t Workgroup::random() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return static_cast<uint32_t>(random_ * 2685821657736338717ull >> 32);
}
void Workgroup::shuffle(std::vector<uint32_t>& order) {
  if (launch_.mode.seed)
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
}

void Workgroup::start_waves() {
  for (Wave& wave : waves_) {
    wave.current = wave.met = wave.segment = 0;
    wave.over = false;
    shuffle(wave.order);
    for (uint32_t l = 0; l < wave.lanes.size(); ++l) {
      Lane& lane = wave.lanes[l];
      lane.wave = &wave;
      lane.index = l;
      lane.thread = wave.index * static_cast<uint32_t>(wave.lanes.size()) + l;
      lane.state = Lane::running;
      lane.marks = 0;
      lane.copies.clear();
      lane.stack = fresh_stack(stacks_->top(lane.thread), &lane_main);
    }
  }
}

void Workgroup::run(uint32_t x, uint32_t y, uint32_t z) {
  at_[0] = x, at_[1] = y, at_[2] = z;
  random_ = (launch_.mode.seed + 1) * 0x9e3779b97f4a7c15ull + (uint64_t{z} << 42) + (uint64_t{y} << 21) + x + 1;
  lds_.clear();
  epoch_ = 1;
  calls_ = 0;
  failure_ = nullptr;
  start_waves();
  while (run_round()) {
  }
}

// Every wave runs until it waits at a barrier or ends; those that wait go on together.
bool Workgroup::run_round() {
  shuffle(order_);
  bool any = false;
  for (const uint32_t w : order_) {
    Wave& wave = waves_[w];
    if (wave.over) continue;
    for (Lane& lane : wave.lanes) lane.state = Lane::running;
    wave.current = 0;
    Lane& first = wave.lanes[wave.order[0]];
    starting = &first;
    attnrt_amd_switch(&scheduler_, first.stack);
    if (failure_) std::rethrow_exception(failure_);
    wave.over = wave.lanes[0].state == Lane::ended;
    any |= !wave.over;
  }
  ++epoch_;
  return any;
}

// The next lane of the wave that can run, or the scheduler where all wait at a barrier or have ended.
void Workgroup::go_on(Lane& lane) {
  Wave& wave = *lane.wave;
  const std::size_t count = wave.order.size();
  for (std::size_t step = 1; step <= count; ++step) {
    const uint32_t place = static_cast<uint32_t>((wave.current + step) % count);
    Lane& next = wave.lanes[wave.order[place]];
    if (next.state != Lane::running) continue;
    wave.current = place;
    if (&next == &lane) return;
    starting = &next;
    attnrt_amd_switch(&lane.stack, next.stack);
    return;
  }
  uint32_t waiting = 0, ended = 0;
  for (const Lane& one : wave.lanes) waiting += one.state == Lane::at_barrier, ended += one.state == Lane::ended;
  if (waiting != count && ended != count)
    throw Fault(Answer::launch_failed, say("the lanes of wave ", wave.index, " part: ", wave.met, " want to meet, ",
                                           waiting, " wait at a barrier, ", ended, " have ended"));
  attnrt_amd_switch(&lane.stack, scheduler_);
}

void Workgroup::meet(Lane& lane, uint32_t site, const char* in, char* out) {
  Wave& wave = *lane.wave;
  lane.site = site;
  lane.in = in;
  lane.out = out;
  if (++wave.met == wave.lanes.size()) return resolve(wave);
  lane.state = Lane::meeting;
  go_on(lane);
}

void Workgroup::resolve(Wave& wave) {
  const Kernel& kernel = *launch_.kernel;
  const uint32_t site = wave.lanes[0].site;
  for (const Lane& lane : wave.lanes)
    if (lane.site != site)
      throw Fault(Answer::launch_failed, say("the lanes of wave ", wave.index, " part: some are at line ",
                                             kernel.sites[site].line, ", some at line ", kernel.sites[lane.site].line));
  WaveCall call{{}, {}, static_cast<uint32_t>(wave.lanes.size()), kernel.sites[site].bytes, wave};
  for (uint32_t l = 0; l < call.lanes; ++l) {
    call.in[l] = wave.lanes[l].in;
    call.out[l] = wave.lanes[l].out;
    wave.lanes[l].state = Lane::running;
  }
  wave.met = 0;
  ++wave.segment;
  kernel.sites[site].rule->together(call);
}

void Workgroup::barrier(Lane& lane) {
  lane.state = Lane::at_barrier;
  go_on(lane);
}

void Workgroup::finish(Lane& lane) {
  std::exception_ptr failure;
  try {
    if (!lane.copies.empty())
      throw Fault(Answer::launch_failed, "a lane ends while a copy to LDS that it issued is on its way");
    lane.state = Lane::ended;
    go_on(lane);
  } catch (const Fault&) {
    failure = std::current_exception();
  }
  abandon(lane, failure);
}

void Workgroup::abandon(Lane& lane, std::exception_ptr failure) {
  failure_ = std::move(failure);
  attnrt_amd_switch(&lane.stack, scheduler_);
}

void Workgroup::count_call() {
  if (++calls_ > launch_.mode.most_instructions)
    throw Fault(Answer::timeout, say("the workgroup made ", calls_, " accesses and does not end"));
}

}  // namespace attnrt::emulator::amd
