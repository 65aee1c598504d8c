// SPDX-License-Identifier: Apache-2.0
//
// Streams, events, captures and graphs.
#include <chrono>

#include "export.hpp"
#include "fault.hpp"
#include "state.hpp"

using namespace attnrt::emulator;

namespace {

Event& event_of(Context& context, CuEvent handle) {
  auto* const event = reinterpret_cast<Event*>(handle);
  if (!context.events.count(event)) refuse(CUDA_ERROR_INVALID_HANDLE, "an event that is none, or of another context");
  return *event;
}
Graph& graph_of(CuGraph handle) {
  auto* const graph = reinterpret_cast<Graph*>(handle);
  if (!state().graphs.count(graph)) refuse(CUDA_ERROR_INVALID_VALUE, "a graph that is none");
  return *graph;
}
GraphExec& exec_of(CuGraphExec handle) {
  auto* const exec = reinterpret_cast<GraphExec*>(handle);
  if (!state().execs.count(exec)) refuse(CUDA_ERROR_INVALID_VALUE, "an executable graph that is none");
  return *exec;
}
void want_no_capture(Stream& stream, const char* name) {
  if (!stream.capture) return;
  stream.capture->invalid = true;
  refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, say(name, " of a stream that captures"));
}
int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

ATTNRT_CUDA_ENTRY cuStreamCreate(CuStream* handle, unsigned flags) {
  return enter("cuStreamCreate", Needs::context, [&](Context* c) {
    if (flags > kStreamNonBlocking) refuse(CUDA_ERROR_INVALID_VALUE, say("flags ", flags));
    auto stream = std::make_shared<Stream>(*c, flags != kStreamNonBlocking);
    *handle = reinterpret_cast<CuStream>(stream.get());
    c->streams[*handle] = std::move(stream);
  });
}
ATTNRT_CUDA_ENTRY cuStreamCreateWithPriority(CuStream* handle, unsigned flags, int) {
  return cuStreamCreate(handle, flags);
}
ATTNRT_CUDA_ENTRY cuStreamDestroy_v2(CuStream handle) {
  return enter("cuStreamDestroy", Needs::context, [&](Context* c) {
    const auto found = c->streams.find(handle);
    if (found == c->streams.end()) refuse(CUDA_ERROR_INVALID_HANDLE, "a stream that is none");
    const std::shared_ptr<Stream> stream = found->second;
    if (stream->capture) stream->capture->invalid = true;
    wait_for(stream->last());
    c->streams.erase(handle);
  });
}
ATTNRT_CUDA_ENTRY cuStreamSynchronize(CuStream handle) {
  return enter("cuStreamSynchronize", Needs::context, [&](Context* c) {
    Stream& stream = stream_of(*c, handle);
    want_no_capture(stream, "cuStreamSynchronize");
    if (&stream == c->legacy.get()) enqueue(*c, stream, {});
    const std::vector<Ticket> waits = stream.waits;
    const Ticket last = stream.last();
    wait_for(last);
    for (const Ticket& ticket : waits) wait_for(ticket);
  });
}
ATTNRT_CUDA_ENTRY cuStreamQuery(CuStream handle) {
  return enter("cuStreamQuery", Needs::context, [&](Context* c) {
    Stream& stream = stream_of(*c, handle);
    want_no_capture(stream, "cuStreamQuery");
    if (!stream.idle()) throw Refusal{CUDA_ERROR_NOT_READY, "the stream has work"};
  });
}
ATTNRT_CUDA_ENTRY cuStreamGetCtx(CuStream handle, CuContext* context) {
  return enter("cuStreamGetCtx", Needs::initialisation, [&](Context*) {
    for (const auto& owner : state().contexts)
      if (owner->streams.count(handle)) {
        *context = reinterpret_cast<CuContext>(owner.get());
        return;
      }
    *context = current_contexts().empty() ? nullptr : reinterpret_cast<CuContext>(current_contexts().back());
  });
}
ATTNRT_CUDA_ENTRY cuStreamWaitEvent(CuStream handle, CuEvent which, unsigned) {
  return enter("cuStreamWaitEvent", Needs::context, [&](Context* c) {
    Stream& stream = stream_of(*c, handle);
    const Event& event = event_of(*c, which);
    if (event.capture) {
      if (event.capture->invalid) refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was spoilt before");
      if (stream.capture && stream.capture != event.capture) {
        stream.capture->invalid = event.capture->invalid = true;
        refuse(CUDA_ERROR_STREAM_CAPTURE_MERGE, "an event of one capture is waited for in another");
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
      refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a stream that captures waits for an event from outside");
    }
    if (event.recorded) stream.waits.push_back(event.ticket);
  });
}

ATTNRT_CUDA_ENTRY cuEventCreate(CuEvent* handle, unsigned flags) {
  return enter("cuEventCreate", Needs::context, [&](Context* c) {
    auto event = std::make_unique<Event>();
    event->context = c;
    event->timed = !(flags & 2);
    *handle = reinterpret_cast<CuEvent>(event.get());
    c->events.insert(event.release());
  });
}
ATTNRT_CUDA_ENTRY cuEventRecord(CuEvent handle, CuStream where) {
  return enter("cuEventRecord", Needs::context, [&](Context* c) {
    Event& event = event_of(*c, handle);
    Stream& stream = stream_of(*c, where);
    if (stream.capture) {
      if (stream.capture->invalid) refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was spoilt before");
      event.capture = stream.capture;
      event.seen = stream.seen;
      return;
    }
    event.capture.reset();
    event.nanoseconds = std::make_shared<std::atomic<int64_t>>(0);
    enqueue(*c, stream, [time = event.nanoseconds] { *time = now(); });
    event.ticket = stream.last();
    event.recorded = true;
  });
}
ATTNRT_CUDA_ENTRY cuEventSynchronize(CuEvent handle) {
  return enter("cuEventSynchronize", Needs::context, [&](Context* c) {
    const Event& event = event_of(*c, handle);
    if (event.capture) refuse(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture");
    wait_for(Ticket(event.ticket));
  });
}
ATTNRT_CUDA_ENTRY cuEventQuery(CuEvent handle) {
  return enter("cuEventQuery", Needs::context, [&](Context* c) {
    const Event& event = event_of(*c, handle);
    if (event.capture) refuse(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture");
    if (!event.ticket.done()) throw Refusal{CUDA_ERROR_NOT_READY, "the event was not reached"};
  });
}
ATTNRT_CUDA_ENTRY cuEventElapsedTime(float* milliseconds, CuEvent begin, CuEvent end) {
  return enter("cuEventElapsedTime", Needs::context, [&](Context* c) {
    const Event &first = event_of(*c, begin), &last = event_of(*c, end);
    if (!first.timed || !last.timed || !first.recorded || !last.recorded)
      refuse(CUDA_ERROR_INVALID_HANDLE, "an event that was not recorded, or without timing");
    if (!first.ticket.done() || !last.ticket.done()) throw Refusal{CUDA_ERROR_NOT_READY, "an event was not reached"};
    *milliseconds = static_cast<float>(*last.nanoseconds - *first.nanoseconds) * 1e-6f;
  });
}
ATTNRT_CUDA_ENTRY cuEventDestroy_v2(CuEvent handle) {
  return enter("cuEventDestroy", Needs::context, [&](Context* c) {
    Event& event = event_of(*c, handle);
    c->events.erase(&event);
    delete &event;
  });
}

ATTNRT_CUDA_ENTRY cuThreadExchangeStreamCaptureMode(int* mode) {
  return enter("cuThreadExchangeStreamCaptureMode", Needs::initialisation, [&](Context*) {
    if (*mode < kCaptureGlobal || *mode > kCaptureRelaxed) refuse(CUDA_ERROR_INVALID_VALUE, "a mode that is none");
    std::swap(*mode, thread_capture_mode());
  });
}
ATTNRT_CUDA_ENTRY cuStreamBeginCapture_v2(CuStream handle, int mode) {
  return enter("cuStreamBeginCapture", Needs::context, [&](Context* c) {
    if (reinterpret_cast<uintptr_t>(handle) <= 1)
      refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the legacy stream cannot capture");
    Stream& stream = stream_of(*c, handle);
    if (stream.capture) refuse(CUDA_ERROR_INVALID_VALUE, "the stream captures already");
    stream.capture =
        std::make_shared<Capture>(Capture{mode, std::this_thread::get_id(), &stream, false, {}, {{&stream, 0}}});
    stream.seen.clear();
    state().captures.insert(stream.capture);
  });
}
ATTNRT_CUDA_ENTRY cuStreamIsCapturing(CuStream handle, int* status) {
  return enter("cuStreamIsCapturing", Needs::context, [&](Context* c) {
    Stream& stream = stream_of(*c, handle);
    *status = !stream.capture ? 0 : stream.capture->invalid ? 2 : 1;
  });
}
ATTNRT_CUDA_ENTRY cuStreamEndCapture(CuStream handle, CuGraph* graph) {
  return enter("cuStreamEndCapture", Needs::context, [&](Context* c) {
    *graph = nullptr;
    Stream& stream = stream_of(*c, handle);
    const std::shared_ptr<Capture> capture = stream.capture;
    if (!capture) refuse(CUDA_ERROR_INVALID_VALUE, "the stream does not capture");
    if (capture->origin != &stream) {
      capture->invalid = true;
      refuse(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture began in another stream");
    }
    if (capture->owner != std::this_thread::get_id() && capture->mode != kCaptureRelaxed)
      refuse(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture began in another thread");
    bool joined = true;
    for (const auto& [other, length] : capture->length) joined &= other == &stream || stream.seen[other] >= length;
    for (const auto& [other, length] : capture->length) {
      other->capture.reset();
      other->seen.clear();
    }
    state().captures.erase(capture);
    if (capture->invalid) refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was spoilt before");
    if (!joined) refuse(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "a stream took part and was not joined");
    auto made = std::make_unique<Graph>();
    made->nodes = std::make_shared<std::vector<Work>>(std::move(capture->nodes));
    *graph = reinterpret_cast<CuGraph>(made.get());
    state().graphs.insert(made.release());
  });
}

ATTNRT_CUDA_ENTRY cuGraphInstantiateWithFlags(CuGraphExec* handle, CuGraph graph, unsigned long long) {
  return enter("cuGraphInstantiate", Needs::context, [&](Context* c) {
    auto exec = std::make_unique<GraphExec>(GraphExec{c, graph_of(graph).nodes, {}});
    *handle = reinterpret_cast<CuGraphExec>(exec.get());
    state().execs.insert(exec.release());
  });
}
ATTNRT_CUDA_ENTRY cuGraphLaunch(CuGraphExec handle, CuStream where) {
  return enter("cuGraphLaunch", Needs::context, [&](Context* c) {
    GraphExec& exec = exec_of(handle);
    if (exec.context != c) refuse(CUDA_ERROR_INVALID_HANDLE, "the graph belongs to another context");
    Stream& stream = stream_of(*c, where);
    if (!stream.capture) stream.waits.push_back(exec.last);
    enqueue(*c, stream, [nodes = exec.nodes] {
      for (const Work& node : *nodes)
        if (node) node();
    });
    if (!stream.capture) exec.last = stream.last();
  });
}
ATTNRT_CUDA_ENTRY cuGraphExecDestroy(CuGraphExec handle) {
  return enter("cuGraphExecDestroy", Needs::initialisation, [&](Context*) {
    GraphExec& exec = exec_of(handle);
    wait_for(Ticket(exec.last));
    state().execs.erase(&exec);
    delete &exec;
  });
}
ATTNRT_CUDA_ENTRY cuGraphDestroy(CuGraph handle) {
  return enter("cuGraphDestroy", Needs::initialisation, [&](Context*) {
    Graph& graph = graph_of(handle);
    state().graphs.erase(&graph);
    delete &graph;
  });
}
