/* core/token.h - the numbers by which the activations of a key are told apart: fencing tokens.
 * Pure.
 *
 * All nodes of a view have one base (core/views.h).  A token is one more than the last that this
 * node has given or seen, above the base, and at most NPRI_TOKEN_RANGE above it.  Within a view a
 * key has one owner, so its tokens grow.  A restart alone has one of its host: the owner is told of
 * it at once (`busy`), and a consent that it gave before it heard that, with a token that is no
 * higher, is declined (core/register.c).  A node that leaves a view in which others may have given
 * tokens raises its base by the range, and the next view has the highest base of its members: so
 * what is given there is above all that was given in any view before that one of them was in.
 *
 * The first base of a node is the time, in microseconds since 1970: a cluster that is started anew
 * as a whole goes on above what it gave before, unless its clock was set back, or it had more than
 * one change of the view in each 16.7 seconds (NPRI_TOKEN_RANGE microseconds) of its life.
 *
 * 0 is no token: unknown. */
#ifndef NPRI_CORE_TOKEN_H
#define NPRI_CORE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

struct npri_core;

/* Of the next activation. */
uint64_t npri_token_next(struct npri_core *core);

/* The same for a thread of the program that starts a key by itself (core/grant.h): above `base`.
 * False: those of that base are used up.  Any thread. */
bool npri_token_draw(struct npri_core *core, uint64_t base, uint64_t *out_token);

/* Threads have drawn: whether those of the base will soon be used up. */
void npri_token_look(struct npri_core *core);

/* A token came from another node: returns it, or 0 when it is none. */
uint64_t npri_token_on_seen(struct npri_core *core, uint64_t token);

#endif /* NPRI_CORE_TOKEN_H */
