// SPDX-License-Identifier: Apache-2.0
#include "stream.hpp"

namespace attnrt::emulator {

bool Ticket::done() const {
  if (!stream) return true;
  const std::lock_guard lock(stream->mutex_);
  return stream->finished_ >= number;
}
void Ticket::wait() const {
  if (!stream) return;
  std::unique_lock lock(stream->mutex_);
  stream->changed_.wait(lock, [this] { return stream->finished_ >= number; });
}

Stream::~Stream() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (!thread_.joinable()) return;
  // The last owner may be the stream's own thread, which held it in a ticket.
  if (thread_.get_id() == std::this_thread::get_id())
    thread_.detach();
  else
    thread_.join();
}

Ticket Stream::push(Work work, std::vector<Ticket> after) {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  queue_.push_back({std::move(work), std::move(after)});
  changed_.notify_all();
  return {shared_from_this(), ++pushed_};
}

Ticket Stream::last() {
  const std::lock_guard lock(mutex_);
  return {shared_from_this(), pushed_};
}
bool Stream::idle() {
  const std::lock_guard lock(mutex_);
  return finished_ == pushed_;
}

void Stream::serve() {
  for (;;) {
    Entry entry;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      if (queue_.empty()) return;
      entry = std::move(queue_.front());
      queue_.pop_front();
    }
    for (const Ticket& ticket : entry.after) ticket.wait();
    entry.after.clear();
    if (entry.work) entry.work();
    {
      const std::lock_guard lock(mutex_);
      ++finished_;
    }
    changed_.notify_all();
  }
}

}  // namespace attnrt::emulator
