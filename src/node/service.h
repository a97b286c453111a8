/* node/service.h - the built-in servers: pids (and names) whose signals the loop thread handles.
 *
 *     client      no name; sends this node's own requests, gets their answers
 *     net_kernel  Erlang nodes ask it whether we are there before they use us
 *     rex         rpc of old callers
 *     nprocreg    the original's protocol
 *     native      "nprocreg_native": native nodes greet each other here, and their cores talk
 *
 * A service never dies, so its monitors and links need no bookkeeping.  Every call is answered;
 * what a service does not know is answered as Erlang's would, or ignored, never logged as an error.
 */
#ifndef NPRI_NODE_SERVICE_H
#define NPRI_NODE_SERVICE_H

#include "base/bytes.h"
#include "core/core.h"
#include "node/inbox.h"

enum npri_service_id {
    NPRI_SERVICE_CLIENT,
    NPRI_SERVICE_NET_KERNEL,
    NPRI_SERVICE_REX,
    NPRI_SERVICE_NPROCREG,
    NPRI_SERVICE_NATIVE,
    NPRI_SERVICES_COUNT,
};

/* The name under which native nodes greet each other; nothing of that name is on an original. */
#define NPRI_NATIVE_NAME "nprocreg_native"

struct npri_service {
    struct npri_inbox inbox; /* first */
    const char *name;        /* NULL: none */
    struct npr_pid pid;
    struct npri_buffer pid_term;
    /* Borrows the signal.  Gets all but io requests, which are answered for every service alike. */
    void (*handle)(struct npr_node *node, const struct npri_signal *signal);
};

/* Makes the services of a node; a client node has no nprocreg.  NPR_OK, NPR_ENOMEM.
 */
npr_status npri_services_start(struct npr_node *node);
void npri_services_fini(struct npr_node *node);

struct npr_term npri_service_pid(const struct npr_node *node, enum npri_service_id id);
bool npri_service_is(const struct npr_node *node, const struct npr_pid *pid);

void npri_service_client_handle(struct npr_node *node, const struct npri_signal *signal);
void npri_service_net_kernel_handle(struct npr_node *node, const struct npri_signal *signal);
void npri_service_rex_handle(struct npr_node *node, const struct npri_signal *signal);
void npri_service_nprocreg_handle(struct npr_node *node, const struct npri_signal *signal);
void npri_service_native_handle(struct npr_node *node, const struct npri_signal *signal);

/* Appends this node's greeting; `greeting` is the core's part of it. */
void npri_native_put_hello(const struct npr_node *node,
                           const struct npri_greeting *greeting,
                           struct npri_buffer *out);

/* The message {nprocreg, Ref, What} from the client service to a process that has asked for
 * something; `what` is copied.  NULL: no memory, or none for `what`.  Any thread. */
struct npri_signal *npri_client_message(const struct npr_node *node,
                                        const struct npr_ref *ref,
                                        struct npr_term to,
                                        const struct npri_buffer *what);

/* ---- gen_server calls. */

struct npri_gen_call {
    struct npr_term from; /* pid */
    struct npr_term tag;  /* any term; goes back as it came */
    struct npr_term request;
};

/* Takes {'$gen_call',{Pid,Tag},Request} and {'$gen_cast',Message} apart; false for other terms. */
bool npri_gen_call_read(struct npr_term message, struct npri_gen_call *out);
bool npri_gen_cast_read(struct npr_term message, struct npr_term *out);

/* The reference in a tag [alias|Ref] or Ref, which is that of the caller's monitor too; false for
 * other tags. */
bool npri_gen_tag_ref(struct npr_term tag, struct npr_term *out_ref, bool *out_alias);

/* Sends {Tag, Reply} the way that the tag asks for. */
void npri_gen_reply(struct npr_node *node,
                    enum npri_service_id id,
                    struct npr_term from,
                    struct npr_term tag,
                    struct npr_term reply);

/* Sends a message from a service. */
void npri_service_send(struct npr_node *node,
                       enum npri_service_id id,
                       struct npr_term to,
                       struct npr_term message);

#endif /* NPRI_NODE_SERVICE_H */
