// SPDX-License-Identifier: Apache-2.0
//
// A fault must not unwind through compiled code: it is kept, and the workgroup's run ends with it.
#include "service.hpp"

#include <cmath>
#include <cstring>
#include <exception>
#include <limits>

#include "fault.hpp"
#include "workgroup.hpp"

namespace attnrt::emulator::amd {
namespace {

Workgroup& group_of(const Lane* lane) { return *lane->wave->group; }
const Site& site_of(const Lane* lane, uint32_t index) { return group_of(lane).launch().kernel->sites[index]; }

// With the line of the IR where it happened, and who was there.
std::exception_ptr told(const Lane* lane, uint32_t site, const Fault& fault) {
  const Workgroup& group = group_of(lane);
  return std::make_exception_ptr(
      Fault(fault.answer,
            say("line ", site_of(lane, site).line, ", workgroup ", group.position(0), " ", group.position(1), " ",
                group.position(2), ", wave ", lane->wave->index, ", lane ", lane->index, ": ", fault.what())));
}

template <class Body>
auto guarded(Lane* lane, uint32_t site, const Body& body) {
  std::exception_ptr failure;
  try {
    return body();
  } catch (const Fault& fault) {
    failure = told(lane, site, fault);
  } catch (const std::exception& error) {
    failure = told(lane, site, Fault(Answer::launch_failed, error.what()));
  }
  group_of(lane).abandon(*lane, std::move(failure));
  __builtin_unreachable();
}

void want_aligned(uint64_t address, const Site& site) {
  if (address % site.alignment)
    throw Fault(Answer::misaligned_address,
                say("an access of ", site.bytes, " bytes at an address that is ", address % site.alignment,
                    " behind a multiple of ", site.alignment, ", which is promised"));
}

uint32_t lds_address(uint64_t address) { return static_cast<uint32_t>(address - kLdsBase); }

const char* read_global(Lane* lane, uint64_t address, uint32_t index) {
  return guarded(lane, index, [&] {
    const Site& site = site_of(lane, index);
    group_of(lane).count_call();
    want_aligned(address, site);
    return group_of(lane).global().read(address, site.bytes);
  });
}
char* write_global(Lane* lane, uint64_t address, uint32_t index) {
  return guarded(lane, index, [&] {
    const Site& site = site_of(lane, index);
    group_of(lane).count_call();
    want_aligned(address, site);
    return group_of(lane).global().write(address, site.bytes);
  });
}
const char* read_lds(Lane* lane, uint64_t address, uint32_t index) {
  return guarded(lane, index, [&] {
    const Site& site = site_of(lane, index);
    Workgroup& group = group_of(lane);
    group.count_call();
    return group.lds().read(lds_address(address), site.bytes, site.alignment, group.moment(*lane));
  });
}
void write_lds(Lane* lane, uint64_t address, uint32_t index, const char* value) {
  guarded(lane, index, [&] {
    const Site& site = site_of(lane, index);
    Workgroup& group = group_of(lane);
    group.count_call();
    group.lds().write(lds_address(address), site.bytes, site.alignment, group.moment(*lane), value);
  });
}

// The implicit arguments lie in the host's memory, all other constants in the device's.
const char* read_constant(Lane* lane, uint64_t address, uint32_t index) {
  const Launch& launch = group_of(lane).launch();
  const uint64_t begin = reinterpret_cast<uint64_t>(launch.implicit);
  if (address >= begin && address - begin + site_of(lane, index).bytes <= sizeof launch.implicit)
    return reinterpret_cast<const char*>(address);
  return read_global(lane, address, index);
}

// A buffer's resource as llvm.amdgcn.make.buffer.rsrc makes it: base, stride in bits 48 to 61, bytes from bit 64,
// flags. What lies outside reads as zero and is not written. The scalar offset is not part of the check (CDNA3
// ISA, 9.1.5).
alignas(16) const char zeros[64] = {};
thread_local char waste[64];
char* in_buffer(Lane* lane, const char* resource, uint32_t offset, uint32_t scalar, uint32_t index, bool writes) {
  return guarded(lane, index, [&]() -> char* {
    uint64_t words[2];
    std::memcpy(words, resource, sizeof words);
    const Site& site = site_of(lane, index);
    group_of(lane).count_call();
    if (words[0] >> 48 & 0x3fff) throw Fault(Answer::illegal_instruction, "a buffer with a stride, wanted a raw one");
    const uint64_t size = words[1] & 0xffffffff;
    if (offset >= size) return writes ? waste : const_cast<char*>(zeros);
    if (site.bytes > size - offset)
      throw Fault(Answer::illegal_address,
                  say("a buffer access of ", site.bytes, " bytes at ", offset, " crosses the end at ", size));
    const uint64_t address = (words[0] & 0xffffffffffff) + offset + scalar;
    return writes ? group_of(lane).global().write(address, site.bytes)
                  : const_cast<char*>(group_of(lane).global().read(address, site.bytes));
  });
}
const char* read_buffer(Lane* lane, const char* resource, uint32_t offset, uint32_t scalar, uint32_t index) {
  return in_buffer(lane, resource, offset, scalar, index, false);
}
char* write_buffer(Lane* lane, const char* resource, uint32_t offset, uint32_t scalar, uint32_t index) {
  return in_buffer(lane, resource, offset, scalar, index, true);
}

int64_t divisor(Lane* lane, int64_t dividend, int64_t by, uint32_t index) {
  return guarded(lane, index, [&] {
    if (!by) throw Fault(Answer::launch_failed, say(dividend, " is divided by 0"));
    const int64_t least =
        site_of(lane, index).bytes == 4 ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int64_t>::min();
    if (by == -1 && dividend == least) throw Fault(Answer::launch_failed, say(dividend, " is divided by -1"));
    return by;
  });
}

int64_t position(Lane* lane, uint32_t which) {
  const Workgroup& group = group_of(lane);
  switch (static_cast<Position>(which)) {
    case Position::lane:
      return lane->thread;
    case Position::group_x:
      return group.position(0);
    case Position::group_y:
      return group.position(1);
    case Position::group_z:
      return group.position(2);
    case Position::implicit_arguments:
      return reinterpret_cast<int64_t>(group.launch().implicit);
  }
  return 0;
}

// v_exp_f32 gives no subnormal numbers, and errs by one unit in the last place (CDNA3 ISA, 6.3.1).
float exp2(Lane* lane, float value) {
  float result = std::exp2(value);
  if (std::fabs(result) < std::numeric_limits<float>::min()) return 0;
  if (group_of(lane).launch().mode.perturbed && std::isfinite(result))
    result = std::nextafter(result, std::numeric_limits<float>::infinity());
  return result;
}

void call(Lane* lane, uint32_t index, const char* in, char* out) {
  guarded(lane, index, [&] {
    const Rule& rule = *site_of(lane, index).rule;
    Workgroup& group = group_of(lane);
    group.count_call();
    if (rule.alone) return rule.alone({in, out, site_of(lane, index).bytes, group.launch().arch});
    if (rule.effect) return rule.effect(*lane, in, out, index);
    group.meet(*lane, index, in, out);
  });
}

}  // namespace

void* const service_table[] = {
#define ATTNRT_AMD_SERVICE_(name, result, arguments) reinterpret_cast<void*>(&name),
    ATTNRT_AMD_SERVICES(ATTNRT_AMD_SERVICE_)
#undef ATTNRT_AMD_SERVICE_
};

}  // namespace attnrt::emulator::amd
