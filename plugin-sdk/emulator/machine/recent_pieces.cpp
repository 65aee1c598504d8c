// SPDX-License-Identifier: Apache-2.0
#include "recent_pieces.hpp"

#include <cstring>

#include "fault.hpp"

namespace attnrt::emulator {

Piece RecentPieces::find(uint64_t address, uint32_t bytes, const char* what) const {
  Piece piece;
  if (!memory_.find(address, piece) || !piece.holds(address, bytes))
    throw Fault(Answer::illegal_address, say("a ", what, " of ", bytes, " bytes at ", memory_.whereabouts(address)));
  return piece;
}

const Piece& RecentPieces::recent(uint64_t address, uint32_t bytes, const char* what) {
  for (const Piece& piece : last_)
    if (piece.holds(address, bytes)) return piece;
  return last_[next_++ % 4] = find(address, bytes, what);
}

const char* RecentPieces::read(uint64_t address, uint32_t bytes) {
  const Piece& piece = recent(address, bytes, "read");
  const uint64_t at = address - piece.begin;
  if (unwritten_ && piece.written && std::memchr(piece.written + at, 0, bytes))
    throw Fault(Answer::launch_failed,
                say("a read of ", bytes, " bytes at ", memory_.whereabouts(address), ", which nobody wrote"));
  return piece.data + at;
}

char* RecentPieces::write(uint64_t address, uint32_t bytes) {
  const Piece& piece = recent(address, bytes, "write");
  const uint64_t at = address - piece.begin;
  if (piece.written) std::memset(piece.written + at, 1, bytes);
  return piece.data + at;
}

}  // namespace attnrt::emulator
