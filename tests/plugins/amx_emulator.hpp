// SPDX-License-Identifier: Apache-2.0
//
// amx_emulator.hpp: the instructions of AMX that kernels here use, computed by the handler of the signal that they
// raise where the processor lacks them: what is tested has those instructions, not others in their place.
#ifndef ATTNRT_TEST_AMX_EMULATOR_HPP
#define ATTNRT_TEST_AMX_EMULATOR_HPP

namespace attnrt::test {

/// From now on such an instruction is no error, in any thread: the processor executes it where it has AMX and the system
/// permits it, else SIGILL of others ends the process. A framework's own handler may have been put in place since the
/// last call.
void emulate_amx();

}  // namespace attnrt::test
#endif
