/* node/waiting.h - control messages kept for later, in order: each one owned block.  Bounded by its
 * user, who is told the bytes.  No I/O, clock or threads. */
#ifndef NPRI_NODE_WAITING_H
#define NPRI_NODE_WAITING_H

#include "dist/control.h"

/* One message with the bytes of its terms behind it. */
struct npri_waiting_message {
    struct npri_waiting_message *next;
    size_t bytes; /* of this block */
    struct npri_control control;
    uint8_t terms[];
};

/* Zeroed: empty. */
struct npri_waiting {
    struct npri_waiting_message *first;
    struct npri_waiting_message *last;
    size_t bytes; /* what all of them take */
};

void npri_waiting_fini(struct npri_waiting *waiting);

/* Appends a copy.  False, with nothing kept: no memory, or all together would take more than
 * `bytes_max`. */
NPR_NODISCARD bool npri_waiting_push(struct npri_waiting *waiting,
                                     const struct npri_control *control,
                                     size_t bytes_max);

/* Takes the oldest out; NULL when there is none.  Ends with npri_waiting_message_free(). */
struct npri_waiting_message *npri_waiting_take(struct npri_waiting *waiting);
void npri_waiting_message_free(struct npri_waiting_message *message);

/* Appends all of `from` in order; `from` is empty afterwards. */
void npri_waiting_move(struct npri_waiting *to, struct npri_waiting *from);

#endif /* NPRI_NODE_WAITING_H */
