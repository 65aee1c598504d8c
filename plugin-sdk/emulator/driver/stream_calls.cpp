// SPDX-License-Identifier: Apache-2.0
#include "stream_calls.hpp"

#include <chrono>

#include "fault.hpp"

namespace attnrt::emulator {
namespace {

Event& event_of(Context& context, EventHandle handle) {
  auto* const event = reinterpret_cast<Event*>(handle);
  if (!context.events.count(event)) refuse(kInvalidHandle, "an event that is none, or of another context");
  return *event;
}
Graph& graph_of(GraphHandle handle) {
  auto* const graph = reinterpret_cast<Graph*>(handle);
  if (!state().graphs.count(graph)) refuse(kInvalidValue, "a graph that is none");
  return *graph;
}
GraphExec& exec_of(GraphExecHandle handle) {
  auto* const exec = reinterpret_cast<GraphExec*>(handle);
  if (!state().execs.count(exec)) refuse(kInvalidValue, "an executable graph that is none");
  return *exec;
}

void want_no_capture(Stream& stream, const char* name) {
  if (!stream.capture) return;
  stream.capture->invalid = true;
  refuse(kStreamCaptureUnsupported, say(name, " of a stream that captures"));
}
int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void stream_create(Context& c, StreamHandle* handle, unsigned flags) {
  if (flags > kStreamNonBlocking) refuse(kInvalidValue, say("flags ", flags));
  auto stream = std::make_shared<Stream>(c, flags != kStreamNonBlocking);
  *handle = reinterpret_cast<StreamHandle>(stream.get());
  c.streams[*handle] = std::move(stream);
}

void stream_destroy(Context& c, StreamHandle handle) {
  const auto found = c.streams.find(handle);
  if (found == c.streams.end()) refuse(kInvalidHandle, "a stream that is none");
  const std::shared_ptr<Stream> stream = found->second;
  if (stream->capture) stream->capture->invalid = true;
  wait_for(stream->last());
  c.streams.erase(handle);
}

void stream_finish(Context& c, StreamHandle handle, const char* name) {
  Stream& stream = stream_of(c, handle);
  want_no_capture(stream, name);
  if (&stream == c.legacy.get()) enqueue(c, stream, {});
  const std::vector<Ticket> waits = stream.waits;
  const Ticket last = stream.last();
  wait_for(last);
  for (const Ticket& ticket : waits) wait_for(ticket);
}

void stream_query(Context& c, StreamHandle handle, const char* name) {
  Stream& stream = stream_of(c, handle);
  want_no_capture(stream, name);
  if (!stream.idle()) throw Refusal{kNotReady, "the stream has work"};
}

void stream_wait(Context& c, StreamHandle handle, EventHandle which) {
  Stream& stream = stream_of(c, handle);
  const Event& event = event_of(c, which);
  if (event.capture) {
    if (event.capture->invalid) refuse(kStreamCaptureInvalidated, "the capture was spoilt before");
    if (stream.capture && stream.capture != event.capture) {
      stream.capture->invalid = event.capture->invalid = true;
      refuse(kStreamCaptureMerge, "an event of one capture is waited for in another");
    }
    stream.capture = event.capture;  // the stream joins
    stream.capture->length.try_emplace(&stream, 0);
    for (const auto& [other, length] : event.seen) {
      uint64_t& seen = stream.seen[other];
      seen = std::max(seen, length);
    }
    return;
  }
  if (stream.capture) {
    stream.capture->invalid = true;
    refuse(kStreamCaptureIsolation, "a stream that captures waits for an event from outside");
  }
  if (event.recorded) stream.waits.push_back(event.ticket);
}

void event_create(Context& c, EventHandle* handle, unsigned flags) {
  auto event = std::make_unique<Event>();
  event->context = &c;
  event->timed = !(flags & 2);
  *handle = reinterpret_cast<EventHandle>(event.get());
  c.events.insert(event.release());
}

void event_record(Context& c, EventHandle handle, StreamHandle where) {
  Event& event = event_of(c, handle);
  Stream& stream = stream_of(c, where);
  if (stream.capture) {
    if (stream.capture->invalid) refuse(kStreamCaptureInvalidated, "the capture was spoilt before");
    event.capture = stream.capture;
    event.seen = stream.seen;
    return;
  }
  event.capture.reset();
  event.nanoseconds = std::make_shared<std::atomic<int64_t>>(0);
  enqueue(c, stream, [time = event.nanoseconds] { *time = now(); });
  event.ticket = stream.last();
  event.recorded = true;
}

void event_finish(Context& c, EventHandle handle) {
  const Event& event = event_of(c, handle);
  if (event.capture) refuse(kCapturedEvent, "the event was recorded in a capture");
  wait_for(Ticket(event.ticket));
}

void event_query(Context& c, EventHandle handle) {
  const Event& event = event_of(c, handle);
  if (event.capture) refuse(kCapturedEvent, "the event was recorded in a capture");
  if (!event.ticket.done()) throw Refusal{kNotReady, "the event was not reached"};
}

void event_elapsed(Context& c, float* milliseconds, EventHandle begin, EventHandle end) {
  const Event &first = event_of(c, begin), &last = event_of(c, end);
  if (!first.timed || !last.timed || !first.recorded || !last.recorded)
    refuse(kInvalidHandle, "an event that was not recorded, or without timing");
  if (!first.ticket.done() || !last.ticket.done()) throw Refusal{kNotReady, "an event was not reached"};
  *milliseconds = static_cast<float>(*last.nanoseconds - *first.nanoseconds) * 1e-6f;
}

void event_destroy(Context& c, EventHandle handle) {
  Event& event = event_of(c, handle);
  c.events.erase(&event);
  delete &event;
}

void capture_begin(Context& c, StreamHandle handle, int mode) {
  if (reinterpret_cast<uintptr_t>(handle) <= 1) refuse(kStreamCaptureUnsupported, "the legacy stream cannot capture");
  Stream& stream = stream_of(c, handle);
  if (stream.capture) refuse(kInvalidValue, "the stream captures already");
  stream.capture =
      std::make_shared<Capture>(Capture{mode, std::this_thread::get_id(), &stream, false, {}, {{&stream, 0}}});
  stream.seen.clear();
  state().captures.insert(stream.capture);
}

void capture_state(Context& c, StreamHandle handle, int* status) {
  Stream& stream = stream_of(c, handle);
  *status = !stream.capture ? 0 : stream.capture->invalid ? 2 : 1;
}

void capture_end(Context& c, StreamHandle handle, GraphHandle* graph) {
  *graph = nullptr;
  Stream& stream = stream_of(c, handle);
  const std::shared_ptr<Capture> capture = stream.capture;
  if (!capture) refuse(kInvalidValue, "the stream does not capture");
  if (capture->origin != &stream) {
    capture->invalid = true;
    refuse(kStreamCaptureUnmatched, "the capture began in another stream");
  }
  if (capture->owner != std::this_thread::get_id() && capture->mode != kCaptureRelaxed)
    refuse(kStreamCaptureWrongThread, "the capture began in another thread");
  bool joined = true;
  for (const auto& [other, length] : capture->length) joined &= other == &stream || stream.seen[other] >= length;
  for (const auto& [other, length] : capture->length) {
    other->capture.reset();
    other->seen.clear();
  }
  state().captures.erase(capture);
  if (capture->invalid) refuse(kStreamCaptureInvalidated, "the capture was spoilt before");
  if (!joined) refuse(kStreamCaptureUnjoined, "a stream took part and was not joined");
  auto made = std::make_unique<Graph>();
  made->nodes = std::make_shared<std::vector<Work>>(std::move(capture->nodes));
  *graph = reinterpret_cast<GraphHandle>(made.get());
  state().graphs.insert(made.release());
}

void exchange_capture_mode(int* mode) {
  if (*mode < kCaptureGlobal || *mode > kCaptureRelaxed) refuse(kInvalidValue, "a mode that is none");
  std::swap(*mode, thread_capture_mode());
}

void graph_instantiate(Context& c, GraphExecHandle* handle, GraphHandle graph) {
  auto exec = std::make_unique<GraphExec>(GraphExec{&c, graph_of(graph).nodes, {}});
  *handle = reinterpret_cast<GraphExecHandle>(exec.get());
  state().execs.insert(exec.release());
}

void graph_launch(Context& c, GraphExecHandle handle, StreamHandle where) {
  GraphExec& exec = exec_of(handle);
  if (exec.context != &c) refuse(kInvalidHandle, "the graph belongs to another context");
  Stream& stream = stream_of(c, where);
  if (!stream.capture) stream.waits.push_back(exec.last);
  enqueue(c, stream, [nodes = exec.nodes] {
    for (const Work& node : *nodes)
      if (node) node();
  });
  if (!stream.capture) exec.last = stream.last();
}

void graph_exec_destroy(GraphExecHandle handle) {
  GraphExec& exec = exec_of(handle);
  wait_for(Ticket(exec.last));
  state().execs.erase(&exec);
  delete &exec;
}

void graph_destroy(GraphHandle handle) {
  Graph& graph = graph_of(handle);
  state().graphs.erase(&graph);
  delete &graph;
}

}  // namespace attnrt::emulator
