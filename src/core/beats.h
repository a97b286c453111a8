/* core/beats.h - heartbeats between native nodes: which of them live, and whether this one did.
 * Pure.
 *
 * Every heartbeat_ns each node tells each native one that it is connected to
 *
 *     {beat, Number, Echo, HeardMs}
 *
 * Number grows (it is the time of the beat on the teller's clock), Echo is the last Number that it
 * has heard (0: none yet), HeardMs how long ago it has heard anything.  What comes of it:
 *
 *     SUSPECT   nothing heard for two heartbeats: nobody waits for it, see core/members.h
 *     LOST      nothing heard for node_timeout_ns; or no beat of ours echoed for as long by one
 *               that says that it hears nothing of us: the connection is good for one way only
 *     LEASE     a peer that has echoed a beat, or acknowledged an epoch, was hearing us when that
 *               was sent, and so will not take us for lost within its node_timeout_ns from then
 *               on (core/quorum.h)
 *     STALL     our own beat is so late that others may have taken us for lost: core/views.h
 *
 * Whatever comes of a peer counts as heard, also a part of a long message (NPRI_EVENT_HEARD): one
 * that is slow to send or to answer is not silent. */
#ifndef NPRI_CORE_BEATS_H
#define NPRI_CORE_BEATS_H

#include "core/timers.h"

struct npr_term;
struct npri_peer;

struct npri_beats {
    struct npri_timer timer;
    uint64_t due_ns;  /* the next beat; UINT64_MAX: there are none */
    uint64_t late_ns; /* when it was last noticed that one was late; 0: never */
};

void npri_beats_init(struct npri_core *core);
void npri_beats_on_time(struct npri_core *core);

/* Whether our beat is so late, at that time, that others may have taken us for lost. */
bool npri_beats_is_late(const struct npri_core *core, uint64_t now_ns);

/* Before anything else in a step: whether we have slept through our beats. */
void npri_beats_look(struct npri_core *core);

/* Whether one of ours has just come late: who seems silent may not be. */
bool npri_beats_were_late(const struct npri_core *core);

/* When it will have slept through them; UINT64_MAX: nobody would notice. */
uint64_t npri_beats_good_until_ns(const struct npri_core *core);

/* Whether this node and `peer` tell by beats that they live. */
bool npri_beats_watch(const struct npri_core *core, const struct npri_peer *peer);

/* It has greeted. */
void npri_beats_begin(struct npri_core *core, struct npri_peer *peer);

/* Something of it came. */
void npri_beats_on_heard(struct npri_core *core, struct npri_peer *peer);

/* How long nothing of it has been heard. */
uint64_t npri_beats_silence_ns(const struct npri_core *core, const struct npri_peer *peer);

/* Whether it surely has us in its view still, as far as silence goes. */
bool npri_beats_lease(const struct npri_core *core, const struct npri_peer *peer);

/* It has acknowledged the epoch that it was told of at that time: as good as an echo. */
void npri_beats_on_acknowledged(struct npri_core *core, struct npri_peer *peer, uint64_t told_ns);

/* A beat: false when it is none. */
bool npri_beats_on_told(struct npri_core *core,
                        struct npri_peer *peer,
                        const struct npr_term *elements);

#endif /* NPRI_CORE_BEATS_H */
