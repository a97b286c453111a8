/* core/push.h - telling the owners of keys which of them this node holds.  Pure.
 *
 * For each native node of the view, from each new epoch of ours on:
 *
 *     OFF --a new epoch--> WALKING --the walk is through: marker--> LIVE
 *                             |                                      |
 *                             +--its window is full--> ALONE <-------+ (a change found it full:
 *                                  a walk of its own, when it has      `unsure`, from the
 * beginning) read; then marker, LIVE
 *
 * One walk over the table serves all peers, in pieces: placing a key costs more than all else. What
 * changes is told at once, wherever the walk is: what a walk tells is what is there, and messages
 * keep their order, so the last word on a key is always true.  Nothing of an epoch is told before
 * the first piece of its walk, and so never before the message that tells the epoch.
 *
 *     {push, Epoch, At, [{Key,Pid,Token}]}   these live here
 *     {busy, Epoch, At, Key, Token}          this is being started here, or started again
 *     {free, Epoch, At, Key, Pid}            this does not live here any more
 *                                            `undefined`: what was busy has come to nothing
 *     {marker, Epoch, At}                    all that is there has been told
 *     {unsure, Epoch, At}                    something was not told: all begins anew
 *     {pushed, At}                           (back) what was told up to At has been read
 *
 * At counts what was told on this connection, in the teller's bytes; more than
 * NPRI_PUSH_WINDOW_BYTES are never under way.  Messages of another epoch than the last one that the
 * peer has told count for nothing but that. */
#ifndef NPRI_CORE_PUSH_H
#define NPRI_CORE_PUSH_H

#include "core/watch.h"

struct npri_peer;

enum npri_push_state {
    NPRI_PUSH_OFF,     /* nothing is told */
    NPRI_PUSH_WALKING, /* with the others */
    NPRI_PUSH_ALONE,   /* from `cursor` on, as its window has room */
    NPRI_PUSH_UNSURE,  /* it has missed a change: nothing is told until its window has room */
    NPRI_PUSH_LIVE,    /* the marker is told: only changes */
};

/* What of the push is a peer's.  All zero while it is not connected. */
struct npri_pushing {
    struct npri_work work; /* a walk of its own */
    enum npri_push_state state;
    bool unsure_told;
    uint64_t cursor;
    uint64_t told; /* bytes, */
    uint64_t told_read;
    struct npri_buffer items; /* of the piece that is being walked */
    uint32_t items_count;
};

struct npri_push {
    struct npri_work work; /* the walk of all */
    uint64_t epoch;        /* that is being told; 0: none */
    uint64_t cursor;
    bool walks;
};

void npri_push_init(struct npri_core *core);

/* Our epoch is another, and nobody acts on the one before any more: all is told anew. */
void npri_push_on_epoch(struct npri_core *core);

/* The peer is not connected any more. */
void npri_push_on_peer_lost(struct npri_core *core, struct npri_peer *peer);

/* The directory's: what lives under `key` now, or NULL and what did. */
void npri_push_on_entry(struct npri_core *core,
                        struct npr_bytes key,
                        const struct npri_activation *living,
                        struct npr_term was);

/* A start of this key is under way, or has come to nothing. */
void npri_push_on_busy(struct npri_core *core, struct npr_bytes key);
void npri_push_on_idle(struct npri_core *core, struct npr_bytes key);

/* What is here of the key at present, for an owner that has it wrong: `pid` is what it believes. */
void npri_push_word(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    struct npr_term pid);

/* The same for the owner, if that is told. */
void npri_push_correct(struct npri_core *core, struct npr_bytes key, struct npr_term pid);

/* A peer has read what was told it up to `at`. */
void npri_push_on_read(struct npri_core *core, struct npri_peer *peer, uint64_t at);

void npri_push_work(struct npri_core *core);
void npri_push_work_alone(struct npri_core *core, struct npri_peer *peer);

/* ---- push_wire.c: the messages. */

bool npri_tell_push(struct npri_core *core, struct npri_peer *peer);
bool npri_tell_mark_of_push(struct npri_core *core, struct npri_peer *peer, const char *mark);
bool npri_tell_busy(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    uint64_t token);
bool npri_tell_free(struct npri_core *core,
                    struct npri_peer *peer,
                    struct npr_bytes key,
                    struct npr_term pid); /* none: undefined */

/* Messages: false when they are none. */
bool npri_push_on_told_push(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements);
bool npri_push_on_told_busy(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements);
bool npri_push_on_told_free(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements);
bool npri_push_on_told_marker(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements);
bool npri_push_on_told_unsure(struct npri_core *core,
                              struct npri_peer *peer,
                              const struct npr_term *elements);
bool npri_push_on_told_read(struct npri_core *core,
                            struct npri_peer *peer,
                            const struct npr_term *elements);

#endif /* NPRI_CORE_PUSH_H */
