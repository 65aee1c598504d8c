// SPDX-License-Identifier: Apache-2.0
//
// Work in order: a stream has a thread of the host and a queue. Streams overlap; what orders them are tickets: a piece
// of work may wait for the ticket of another stream. Events, the legacy stream and synchronisation are made of that.
#ifndef ATTNRT_EMULATOR_STREAM_HPP
#define ATTNRT_EMULATOR_STREAM_HPP
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "handle.hpp"

namespace attnrt::emulator {

class Context;
class Stream;

/// A place in a stream: everything up to it.
struct Ticket {
  std::shared_ptr<Stream> stream;
  uint64_t number = 0;
  bool done() const;
  void wait() const;
};

using Work = std::function<void()>;

/// A capture that streams take part in (cuStreamBeginCapture).
struct Capture {
  int mode;
  std::thread::id owner;
  Stream* origin;
  bool invalid = false;
  std::vector<Work> nodes;
  std::map<Stream*, uint64_t> length;  ///< pieces of work that each stream contributed
};

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Context& owner, bool orders) : context(owner), blocking(orders) {}
  ~Stream();
  Context& context;
  const bool blocking;  ///< ordered by the legacy stream

  /// Puts work behind all that is in the stream and behind these tickets. [under the state's mutex]
  Ticket push(Work work, std::vector<Ticket> after);
  Ticket last();
  bool idle();

  // Of a capture, under the state's mutex.
  std::shared_ptr<Capture> capture;
  std::map<Stream*, uint64_t> seen;  ///< of other streams in the capture, how much is ordered before this one
  std::vector<Ticket> waits;         ///< of the next piece of work (cuStreamWaitEvent)

 private:
  friend struct Ticket;
  struct Entry {
    Work work;
    std::vector<Ticket> after;
  };
  void serve();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> queue_;
  uint64_t pushed_ = 0, finished_ = 0;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace attnrt::emulator
#endif
