/* core/state.h - the core from inside: its parts, and the few things that all of them use. */
#ifndef NPRI_CORE_STATE_H
#define NPRI_CORE_STATE_H

#include "base/limits.h"
#include "base/text.h"
#include "core/beats.h"
#include "core/claim.h"
#include "core/conflicts.h"
#include "core/consent.h"
#include "core/core.h"
#include "core/delegate.h"
#include "core/directory.h"
#include "core/drain.h"
#include "core/grabbed.h"
#include "core/grant.h"
#include "core/greeting.h"
#include "core/held.h"
#include "core/leads.h"
#include "core/links.h"
#include "core/lookup.h"
#include "core/manner.h"
#include "core/members.h"
#include "core/native.h"
#include "core/operations.h"
#include "core/peers.h"
#include "core/push.h"
#include "core/quorum.h"
#include "core/register.h"
#include "core/requests.h"
#include "core/restart.h"
#include "core/route.h"
#include "core/settling.h"
#include "core/start.h"
#include "core/starts.h"
#include "core/tally.h"
#include "core/timers.h"
#include "core/token.h"
#include "core/views.h"
#include "core/waiting.h"
#include "core/watch.h"

/* Room to write keys in, reserved when the core is made, so that looking at a key never allocates.
 */
struct npri_scratch {
    struct npri_buffer key;     /* in normal form */
    struct npri_buffer encoded; /* as term_to_binary writes it */
    struct npri_buffer pid;
};

struct npri_core {
    struct npri_core_options options;
    uint64_t now_ns;
    bool out_of_memory; /* something was left out in this step */
    bool closing;       /* nothing is restarted any more */
    bool ending;        /* a process has: whether its keys are free is not decided yet */
    struct npri_effects effects;
    struct npri_heap timers;
    struct npri_manner manner;
    struct npri_members members;
    struct npri_tally tally;
    struct npri_beats beats;
    struct npri_views views;
    struct npri_links links;
    struct npri_quorum quorum;
    struct npri_directory directory;
    struct npri_grants grants;
    struct npri_map operations;
    struct npri_link lost; /* those of peers that have gone */
    uint64_t operations_begun;
    struct npri_map starts;
    struct npri_link starts_looking; /* those of them that have begun nothing yet */
    struct npri_map delegations;
    struct npri_link requests; /* all, oldest first */
    struct npri_held held;     /* those that are HELD, */
    struct npri_link claiming; /* CLAIMING, */
    struct npri_link looking;  /* and LOOKING, but only at whoever has not told all yet */
    uint64_t looks;            /* grows when what such ones have found counts no more; above 0 */
    struct npri_map claims;    /* these, by their names for the owners */
    uint64_t claims_begun;
    size_t casts_bytes; /* what claims cost that nobody waits for */
    struct npri_push push;
    struct npri_leads leads;
    struct npri_conflicts conflicts;
    struct npri_drain drain;
    size_t requests_count;
    uint8_t apart[64]; /* keeps what threads write all the time off the lines of the rest */
    atomic_uint_fast64_t token_last; /* the highest that was given or seen (core/token.c) */
    uint8_t apart_too[64];
    struct npri_scratch *scratch;
    struct npri_watch watch;
};

/* The normal form of `key`, valid until the next call; false when it is no key. */
bool npri_core_normal_key(const struct npri_core *core, struct npr_term key, struct npr_bytes *out);

/* The normal form of `pid`, valid until the next call; false when it is no pid. */
bool npri_core_normal_pid(const struct npri_core *core, struct npr_term term, struct npr_term *out);

/* The owner of a key in normal form, in the present view; NULL when no node of it may own any. */
struct npri_peer *npri_core_place(const struct npri_core *core,
                                  struct npr_term key,
                                  uint32_t *out_index);

/* Best effort: a line that finds no memory is lost. */
void npri_core_log(struct npri_core *core, enum npri_log_level level, const struct npri_text *text);

/* `before`, and the term as it is printed, which is cut when it is long. */
void npri_core_text_term(struct npri_text *text, const char *before, struct npr_term term);

/* "event node=NAME", and " reason=TEXT" when there is one. */
void npri_core_log_node(struct npri_core *core,
                        enum npri_log_level level,
                        const char *event,
                        const struct npr_node_name *node,
                        const char *reason);

#endif /* NPRI_CORE_STATE_H */
