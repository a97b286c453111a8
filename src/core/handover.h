/* core/handover.h - one key of a node that leaves, on its way to its next owner (core/drain.h has
 * the whole way).  Pure. */
#ifndef NPRI_CORE_HANDOVER_H
#define NPRI_CORE_HANDOVER_H

#include "base/list.h"
#include "core/core.h"
#include "core/shared.h"

struct npri_effect;
struct npri_peer;

enum npri_handover_state {
    NPRI_HANDOVER_ASKED,
    NPRI_HANDOVER_READY,
    NPRI_HANDOVER_GIVEN,
    NPRI_HANDOVER_DOUBTED, /* given to one that was lost since: its successor may live there */
};

struct npri_handover {
    struct npri_link link; /* in core->drain.handovers */
    uint64_t number;       /* of the HANDOVER */
    enum npri_handover_state state;
    bool contested; /* its key's owner has told that another process has won */
    struct npri_shared *key;
    struct npri_shared *pid;
    struct npri_shared *function; /* NULL while ASKED, or of a process of another node, */
    struct npri_shared *term;     /* like its state */
    uint64_t token;
    uint64_t ref;              /* of its last giving: no two have the same */
    struct npri_peer *peer;    /* GIVEN */
    uint64_t told_ns;          /* when that was last told it */
    struct npri_effect *moved; /* of a process of this node: made when that was asked */
    struct npr_node_name heir; /* GIVEN and DOUBTED: to whom, */
    uint32_t heir_creation;    /* and which incarnation */
};

/* Whether one is under way for that key, or that process. */
bool npri_handover_exists(const struct npri_core *core, struct npr_bytes key, struct npr_term pid);

/* Its process is asked for its state; of a process of another node only the entry goes. */
void npri_handover_begin(struct npri_core *core, struct npri_handover *handover);

/* One that is READY goes to who has the key next, or waits for somebody to be there. */
void npri_handover_give(struct npri_core *core, struct npri_handover *handover);

/* It cannot be moved now: if its process waits, it is told to go on.  Ends it. */
void npri_handover_fail(struct npri_core *core,
                        struct npri_handover *handover,
                        struct npr_bytes why);
void npri_handover_end(struct npri_core *core, struct npri_handover *handover);

/* One that is DOUBTED: its heir is asked again, or is gone for good; one that is GIVEN for longer
 * than a start takes: there was no memory for the answer, and it is asked again, too. */
void npri_handover_resolve(struct npri_core *core, struct npri_handover *handover);

/* Whether the successor of that process is being started, or may live: then nothing else takes its
 * place. */
bool npri_handover_is_given(const struct npri_core *core, struct npr_term pid);

/* It has lost a conflict.  True: that counts for nothing before its heir has spoken, since the
 * winner may be its successor; if it is not, its owner is told of it, and decides, again. */
bool npri_handover_on_lost(struct npri_core *core, struct npr_term pid);

/* What comes of it. */
void npri_handover_on_handed(struct npri_core *core, const struct npri_core_event *event);
void npri_handover_on_down(struct npri_core *core, struct npr_term pid);
void npri_handover_on_peer_lost(struct npri_core *core, struct npri_peer *peer);

/* Messages: false when they are none. */
bool npri_handover_on_told_handed(struct npri_core *core,
                                  struct npri_peer *peer,
                                  const struct npr_term *elements);
bool npri_handover_on_told_unhanded(struct npri_core *core,
                                    struct npri_peer *peer,
                                    const struct npr_term *elements);

#endif /* NPRI_CORE_HANDOVER_H */
