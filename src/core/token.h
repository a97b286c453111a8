/* core/token.h - the numbers by which the activations of a key are told apart: fencing tokens.
 * Pure.
 *
 * A token is microseconds since 1970, as far as the clock of the machine knows, but never less than
 * one more than any token that this node has given or seen.  So it grows with every activation of a
 * key here, and is above those of every owner before whose token was heard of, also when that one's
 * clock is ahead; an owner that was never heard of is outdone by the time that has passed since.
 * What makes sure that the last owner's token is always heard of is the protocol between native
 * nodes; the clock is ready for it.
 *
 * 0 is no token: unknown. */
#ifndef NPRI_CORE_TOKEN_H
#define NPRI_CORE_TOKEN_H

#include <stdint.h>

struct npri_core;

/* Of the next activation. */
uint64_t npri_token_next(struct npri_core *core);

/* A token came from another node: returns it, or 0 when it is none. */
uint64_t npri_token_on_seen(struct npri_core *core, uint64_t token);

#endif /* NPRI_CORE_TOKEN_H */
