/* dist/handshake.h - distribution handshake version 6, both sides.  Pure: bytes in, bytes out.
 *
 * erl_dist_protocol, "Distribution Handshake".  Frames have 2-byte lengths.
 *
 *   initiator:  SEND_NAME -> AWAIT_STATUS -> AWAIT_CHALLENGE -> AWAIT_ACK -> DONE
 *   acceptor:   AWAIT_NAME -> (caller decides) -> [AWAIT_ALIVE] -> AWAIT_REPLY -> DONE
 *   both:       any fault -> FAILED
 *
 * The acceptor's verdict on a name (known already? dialling it ourselves?) needs to know the other
 * connections, so it is the caller's: npri_handshake_verdict() holds the rule, pure. */
#ifndef NPRI_DIST_HANDSHAKE_H
#define NPRI_DIST_HANDSHAKE_H

#include "nprocreg/types.h"

#include "base/bytes.h"
#include "base/limits.h"

typedef void (*npri_md5_fn)(const void *data, size_t size, uint8_t out[16]);

enum npri_handshake_state {
    NPRI_HANDSHAKE_AWAIT_STATUS,    /* initiator: name sent */
    NPRI_HANDSHAKE_AWAIT_CHALLENGE, /* initiator: status was good */
    NPRI_HANDSHAKE_AWAIT_ACK,       /* initiator: challenge answered */
    NPRI_HANDSHAKE_AWAIT_NAME,      /* acceptor: nothing heard yet */
    NPRI_HANDSHAKE_NAMED,           /* acceptor: name heard; call npri_handshake_accept() */
    NPRI_HANDSHAKE_AWAIT_ALIVE,     /* acceptor: said "alive", waits for true or false */
    NPRI_HANDSHAKE_AWAIT_REPLY,     /* acceptor: challenge sent */
    NPRI_HANDSHAKE_DONE,
    NPRI_HANDSHAKE_FAILED,
};

/* The acceptor's answer to a name. */
enum npri_verdict {
    NPRI_VERDICT_OK,
    NPRI_VERDICT_OK_SIMULTANEOUS, /* go on, and drop our own attempt to reach that node */
    NPRI_VERDICT_NOK,             /* our own attempt goes on instead */
    NPRI_VERDICT_ALIVE,           /* connected already; the caller may insist */
    NPRI_VERDICT_NOT_ALLOWED,
};

/* What is known of the named node when its connection arrives. */
struct npri_verdict_facts {
    bool connected; /* a finished connection of that name exists */
    bool dialling;  /* an attempt of ours is under way */
    bool same_name; /* it calls itself what we are called */
};

enum npri_verdict npri_handshake_verdict(const struct npr_node_name *self,
                                         const struct npr_node_name *peer,
                                         struct npri_verdict_facts facts);

struct npri_handshake_options {
    struct npr_node_name self;
    uint32_t creation;
    uint64_t flags;          /* offered */
    uint32_t challenge;      /* fresh and unpredictable for each handshake */
    struct npr_bytes cookie; /* borrowed until npri_handshake_fini(); <= NPRI_COOKIE_BYTES_MAX */
    npri_md5_fn md5;
};

struct npri_handshake {
    enum npri_handshake_state state;
    struct npri_handshake_options options;
    struct npr_node_name peer; /* initiator: set from the start; acceptor: from NAMED on */
    uint64_t peer_flags;       /* effective: both offered.  Meaningful when DONE */
    uint64_t peer_offered;     /* all that the peer offered.  Likewise */
    bool peer_said_nok;        /* initiator, FAILED: its own attempt goes on instead */
    uint32_t peer_creation;    /* meaningful when DONE */
    struct npri_buffer out;    /* frames to write, with their lengths; the caller empties it */
    bool alive_insist;         /* initiator: answer "true" to "alive" */
    uint32_t peer_challenge;   /* private */
    uint8_t in[2 + NPRI_HANDSHAKE_FRAME_MAX]; /* private: the frame that has not ended yet */
    size_t in_size;
};

/* Initiator: the name frame is in `out` afterwards.  With `insist` an "alive" peer is told to
 * replace its connection. */
void npri_handshake_init_initiator(struct npri_handshake *handshake,
                                   const struct npri_handshake_options *options,
                                   const struct npr_node_name *peer,
                                   bool insist);
void npri_handshake_init_acceptor(struct npri_handshake *handshake,
                                  const struct npri_handshake_options *options);
void npri_handshake_fini(struct npri_handshake *handshake);

/* Feeds bytes as they come.  `*out_used` is how many were taken: it stops after the frame that ends
 * in NAMED or DONE, so that what follows belongs to the next stage.  Returns NPR_OK, or after a
 * fault (state FAILED): NPR_EPROTO, NPR_EAUTH (wrong cookie), NPR_EREFUSED (peer said nok,
 * not_allowed or alive, or lacks a mandatory flag), NPR_EINVAL (peer has another name than the one
 * dialled), NPR_ENOMEM.  After a fault too, what is in `out` should be written before closing: the
 * peer learns from it why. */
NPR_NODISCARD npr_status npri_handshake_feed(struct npri_handshake *handshake,
                                             struct npr_bytes bytes,
                                             size_t *out_used,
                                             struct npr_error *err);

/* NAMED -> AWAIT_REPLY, AWAIT_ALIVE or FAILED: writes the status (and the challenge). */
void npri_handshake_accept(struct npri_handshake *handshake, enum npri_verdict verdict);

#endif /* NPRI_DIST_HANDSHAKE_H */
