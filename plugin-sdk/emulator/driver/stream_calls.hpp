// SPDX-License-Identifier: Apache-2.0
//
// Streams, events, captures and graphs: what cuStreamCreate and hipStreamCreateWithFlags and their like do inside
// `enter`. Each throws Refusal.
#ifndef ATTNRT_EMULATOR_STREAM_CALLS_HPP
#define ATTNRT_EMULATOR_STREAM_CALLS_HPP
#include "state.hpp"

namespace attnrt::emulator {

void stream_create(Context& c, StreamHandle* handle, unsigned flags);
void stream_destroy(Context& c, StreamHandle handle);
void stream_finish(Context& c, StreamHandle handle, const char* name);
void stream_query(Context& c, StreamHandle handle, const char* name);
void stream_wait(Context& c, StreamHandle handle, EventHandle which);
void event_create(Context& c, EventHandle* handle, unsigned flags);
void event_record(Context& c, EventHandle handle, StreamHandle where);
void event_finish(Context& c, EventHandle handle);
void event_query(Context& c, EventHandle handle);
void event_elapsed(Context& c, float* milliseconds, EventHandle begin, EventHandle end);
void event_destroy(Context& c, EventHandle handle);
void capture_begin(Context& c, StreamHandle handle, int mode);
void capture_state(Context& c, StreamHandle handle, int* status);
void capture_end(Context& c, StreamHandle handle, GraphHandle* graph);
void exchange_capture_mode(int* mode);
void graph_instantiate(Context& c, GraphExecHandle* handle, GraphHandle graph);
void graph_launch(Context& c, GraphExecHandle handle, StreamHandle where);
void graph_exec_destroy(GraphExecHandle handle);
void graph_destroy(GraphHandle handle);

}  // namespace attnrt::emulator
#endif
