/* system/rogue.h - a peer that speaks the handshake properly and may then say anything at all: what
 * it sends is written as text, or as bytes that are no message.  Blocking, one thread. */
#ifndef NPRI_SYSTEM_ROGUE_H
#define NPRI_SYSTEM_ROGUE_H

#include "nprocreg/term.h"

#include "base/bytes.h"
#include "dist/channel.h"

/* The node under test, and the names that the texts of messages use. */
#define TARGET_NAME "a@127.0.0.1"
#define ROGUE_NAME  "rogue@127.0.0.1"
#define SELF        "<rogue@127.0.0.1.1.0>"
#define REF         "#Ref<rogue@127.0.0.1.1.2.3>"

struct rogue {
    const char *name;
    struct npri_buffer out;
    struct npri_channel *channel;
    struct npr_builder *builder;
    /* Optional: each message that was received; may send. */
    void (*on_control)(struct rogue *rogue, const struct npri_control *control);
    int fd;
    uint32_t target_creation;
    unsigned received[NPRI_CONTROL_ALIAS_SEND + 1]; /* by enum npri_control_kind */
    unsigned received_all;
    bool deaf;   /* never reads */
    bool closed; /* by the target */
};

/* A connected socket; exits the program when the target does not even accept. */
int rogue_dial(uint16_t port);

/* Connects and shakes hands; false: the target would not.  rogue_close() either way. */
bool rogue_open(struct rogue *rogue, uint16_t port, const char *name, const char *cookie);
void rogue_close(struct rogue *rogue);

/* Queues a message: a control tuple and what follows it (NULL: nothing), as text.  Pids of the
 * target's node get its creation.  Flushes when much is queued. */
void rogue_say(struct rogue *rogue, const char *control, const char *payload);

/* The same from parts that are terms without a version byte. */
void rogue_say_terms(struct rogue *rogue, struct npr_bytes control, struct npr_bytes payload);

/* The bytes of a text, as above, appended to `out`. */
void rogue_put(struct rogue *rogue, struct npri_buffer *out, const char *text);

/* Sends what is queued, reading meanwhile unless deaf.  False: the target has closed. */
bool rogue_flush(struct rogue *rogue);

/* Flushes, and reads until `count` messages have come in all, or `timeout_ms` are over, or the
 * target has closed.  True: they have come. */
bool rogue_wait(struct rogue *rogue, unsigned count, int timeout_ms);

/* Waits until the target closes. */
bool rogue_wait_closed(struct rogue *rogue, int timeout_ms);

/* A number below `below`, from a seeded sequence. */
uint32_t rogue_random(uint32_t below);

#endif /* NPRI_SYSTEM_ROGUE_H */
