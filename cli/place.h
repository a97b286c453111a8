/* cli/place.h - where a key belongs, and what the nodes say of it: what `nprocreg why` asks. */
#ifndef NPR_CLI_PLACE_H
#define NPR_CLI_PLACE_H

#include "session.h"

#define NODES_MAX 4096

struct nodes {
    struct npr_node_name names[NODES_MAX];
    size_t count;
};

struct place {
    struct nodes nodes; /* that owners are chosen from: not one that is drained */
    struct nodes view;  /* who may have the key, and is asked; none with --nodes */
    enum npr_otp otp;
    uint8_t md5[16];
    size_t index;
    struct npr_node_name owner; /* empty: there is none */
    bool native;                /* the node that was asked: it says who is the owner */
    char placement[32];
};

/* Whether the owner knows all that others have of its keys, as it says itself. */
struct readiness {
    npr_status status; /* NPR_OK: it has said; NPR_EREFUSED: it is an original node */
    bool settled;
    char *why; /* whom it waits for, or why it does not say */
};

/* What one node said of the key. */
struct said {
    npr_status status; /* NPR_OK: `pid`; NPR_ENOTFOUND: not there */
    char *pid;
    char *text; /* why not, else NULL */
    double ms;
};

/* --nodes a@h,b@h */
NPR_NODISCARD npr_status place_split_nodes(const char *text,
                                           struct nodes *nodes,
                                           struct npr_error *err);

/* The nodes in the peer's view. */
NPR_NODISCARD npr_status place_ask_view(struct session *session,
                                        struct nodes *view,
                                        struct npr_error *err);

/* Who the peer says is the owner, and among whom, if it is a native node.  Of an original one the
 * nodes are those of the view, and the owner is left to be computed. */
NPR_NODISCARD npr_status place_ask(struct session *session,
                                   struct npr_term key,
                                   struct place *place,
                                   struct npr_error *err);

/* Whose term_to_binary the peer follows. */
NPR_NODISCARD npr_status place_ask_otp(struct session *session,
                                       enum npr_otp *out,
                                       struct npr_error *err);

/* The caller frees `out->why`. */
void place_ask_readiness(struct session *session,
                         const struct npr_node_name *owner,
                         struct readiness *out);

/* Whether one node has the key.  The caller frees `out->pid` and `out->text`. */
void place_ask_node(struct session *session,
                    const struct npr_node_name *node,
                    struct npr_term key,
                    struct said *out);

#endif /* NPR_CLI_PLACE_H */
