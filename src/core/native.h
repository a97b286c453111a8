/* core/native.h - what the cores of native nodes tell each other: messages to the name
 * nprocreg_native, in order on each connection and lost with it.  Pure.
 *
 *     {view, Epoch, ViewHash, SeesHash, Ack, Base, Draining}   core/views.h
 *     {node_lost, Node, Creation}
 *     {probe, Epoch}, {probed, Epoch}
 *     {beat, Number, Echo, HeardMs}                            core/beats.h
 *     {links, Origin, Creation, Serial, [{Node, Creation}]}    core/links.h
 *     {push, busy, free, marker, unsure, pushed, ...}          core/push.h
 *     {claim, claimed, taken, unclaimed, release, released, ...}  core/claim.h
 *     {drop, Key, Pid}, {conflict, Key, ...}                   core/conflicts.h
 *     all others                                               core/watch_wire.c
 *
 * These come from nodes that have greeted (core/greeting.h); those of core/watch_wire.c from
 * clients, too.  A message of these that is none ends the connection; one that is unknown is
 * ignored, so that newer nodes can say more. */
#ifndef NPRI_CORE_NATIVE_H
#define NPRI_CORE_NATIVE_H

#include "base/bytes.h"
#include "core/core.h"

struct npri_effect;
struct npri_peer;

/* TOLD.  `core->out_of_memory` when it could not be heard: the connection is to go then. */
void npri_native_on_told(struct npri_core *core, const struct npri_core_event *event);

/* Begins a message: `arity - 1` elements are to follow `word` in the buffer. */
struct npri_buffer *npri_tell_begin(struct npri_core *core, uint32_t arity, const char *word);

/* Tells `peer` what has been written since.  False when out of memory: nothing is sent. */
bool npri_tell_end(struct npri_core *core, const struct npri_peer *peer);

/* The same, but to be queued later, when what it says is so.  NULL when out of memory. */
struct npri_effect *npri_tell_make(struct npri_core *core, const struct npri_peer *peer);

#endif /* NPRI_CORE_NATIVE_H */
