/* core/faults.h - mistakes that the simulator plants into this core, to see that its checkers find
 * them (docs/simulator.md).  Nothing of it is in the library: there NPRI_FAULT() is false, and what
 * depends on it is not compiled in. */
#ifndef NPRI_CORE_FAULTS_H
#define NPRI_CORE_FAULTS_H

#include <stdbool.h>

/* Its name, and what is wrong with it. */
#define NPRI_FAULTS(X)                                                                             \
    X(AGREEMENT_IGNORED, "every node takes itself for agreed, always")                             \
    X(MARKER_EARLY, "the marker is told before the entries")                                       \
    X(MARKER_KEPT, "a marker outlives the epoch that it was told for")                             \
    X(LEADS_KEPT, "what a node has told in an earlier epoch is believed on")                       \
    X(NO_SECOND_LOOK, "nobody is asked before a start")                                            \
    X(BUSY_IGNORED, "nobody is told that a start is under way")                                    \
    X(LATE_GONE, "the end of an old process erases the new one's entry")                           \
    X(NO_TOO_FINAL, "an owner that does not know all says a final no")                             \
    X(HOLD_LEFT_OUT, "requests are not held while a node may turn out to be there")                \
    X(JOINING_LEFT_OUT, "a node that has just met others goes on alone")                           \
    X(STALL_UNNOTICED, "a node that has slept goes on as before")                                  \
    X(QUORUM_IGNORED, "a minority starts what it is asked for")                                    \
    X(QUORUM_WITHOUT_LEASE, "nodes of the view count for the quorum, heard of or not")             \
    X(CLAIM_UNASKED, "a registration is granted before all have told what they have")              \
    X(LOWER_TOKEN_WINS, "of two processes the one with the lower token stays")                     \
    X(CONFLICT_UNTOLD, "the loser of a conflict is not told")                                      \
    X(BASE_NOT_RAISED, "tokens go on where they were, whoever has left")                           \
    X(BASE_NOT_SHARED, "a higher base of others is not adopted")                                   \
    X(TOKEN_NOT_CARRIED, "owners are told of entries without their tokens")

#define NPRI_FAULT_NUMBER(name, text) NPRI_FAULT_##name,
enum npri_fault { NPRI_FAULT_NONE, NPRI_FAULTS(NPRI_FAULT_NUMBER) NPRI_FAULTS_COUNT };
#undef NPRI_FAULT_NUMBER

#ifdef NPRI_CORE_FAULTS
extern enum npri_fault npri_fault_planted; /* the simulator's */
#define NPRI_FAULT(name) (npri_fault_planted == NPRI_FAULT_##name)
#else
#define NPRI_FAULT(name) false
#endif

#endif /* NPRI_CORE_FAULTS_H */
