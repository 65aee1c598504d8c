// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace attnrt::probe {

/// Runs `work` in a child of its own and tells the host on `host`, a descriptor, what the child says there and how it
/// ended: the lines that it writes to the descriptor it is given, then "end exit N" or "end signal N". The child has
/// limits of memory and processes, is the first that the system ends where memory runs out, and gains no rights; when it
/// has ended, or when this process is told to end or its own parent dies, everything that it started is ended too,
/// sessions of its own included. The exit status for main.
int supervise(int host, void (*work)(int descriptor, void* arg), void* arg);

}  // namespace attnrt::probe
