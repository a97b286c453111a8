#include "node/service.h"

#include "node/node.h"
#include "node/router.h"
#include "term/write.h"

static const struct {
    const char *name;
    void (*handle)(struct npr_node *node, const struct npri_signal *signal);
    bool of_clients; /* client nodes have it too */
} kinds[NPRI_SERVICES_COUNT] = {
    [NPRI_SERVICE_CLIENT] = {NULL, npri_service_client_handle, true},
    [NPRI_SERVICE_NET_KERNEL] = {"net_kernel", npri_service_net_kernel_handle, true},
    [NPRI_SERVICE_REX] = {"rex", npri_service_rex_handle, true},
    [NPRI_SERVICE_NPROCREG] = {"nprocreg", npri_service_nprocreg_handle, false},
    [NPRI_SERVICE_NATIVE] = {NPRI_NATIVE_NAME, npri_service_native_handle, true},
};

/* {io_request, From, ReplyAs, Request}: whoever prints to us must not wait for ever.  Output is
 * accepted and dropped: a service has no device. */
static bool answer_io(struct npri_service *service, const struct npri_signal *signal)
{
    struct npr_node *node = service->inbox.node;
    struct npr_term parts[4];
    struct npr_term what;
    struct npr_term_walk walk;
    struct npri_buffer reply;
    uint32_t arity;

    if (!npr_term_get_tuple(signal->payload, 4, parts) ||
        !npr_term_is_atom(parts[0], "io_request") || npr_term_kind(parts[1]) != NPR_TERM_PID) {
        return false;
    }
    npri_buffer_init(&reply, 0);
    npri_put_tuple(&reply, 3);
    npri_put_atom(&reply, "io_reply");
    npri_put_given(&reply, parts[2]);
    if (npr_term_tuple(parts[3], &walk, &arity) && npr_term_next(&walk, &what) &&
        npr_term_is_atom(what, "put_chars")) {
        npri_put_atom(&reply, "ok");
    } else {
        npri_put_tuple(&reply, 2);
        npri_put_atom(&reply, "error");
        npri_put_atom(&reply, "enotsup");
    }
    npri_router_send(node, &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                                 .from = npri_buffer_term(&service->pid_term),
                                                 .to = parts[1],
                                                 .payload = npri_buffer_term(&reply)});
    npri_buffer_fini(&reply);
    return true;
}

static void inbox_handle(struct npri_inbox *inbox, struct npri_signal *signal)
{
    struct npri_service *service = NPRI_CONTAINER_OF(inbox, struct npri_service, inbox);

    if (signal->kind != NPRI_SIGNAL_MESSAGE || !answer_io(service, signal)) {
        service->handle(inbox->node, signal);
    }
    npri_signal_destroy(signal);
}

/* Any thread. */
static void deliver(void *user, struct npri_signal *signal)
{
    struct npri_service *service = user;

    npri_inbox_push(&service->inbox, signal);
}

npr_status npri_services_start(struct npr_node *node)
{
    for (size_t i = 0; i < NPRI_SERVICES_COUNT; i++) {
        struct npri_service *service = &node->services[i];
        npr_status status;

        if (node->client && !kinds[i].of_clients) {
            continue;
        }
        npri_inbox_init(&service->inbox, node, inbox_handle);
        service->name = kinds[i].name;
        service->handle = kinds[i].handle;
        status =
            npri_runtime_add_service(node->runtime, service->name, deliver, service, &service->pid);
        if (status != NPR_OK) {
            return status;
        }
        npri_buffer_init(&service->pid_term, 0);
        npri_put_pid(&service->pid_term, &service->pid);
        if (service->pid_term.failed) {
            return NPR_ENOMEM;
        }
    }
    return NPR_OK;
}

void npri_services_fini(struct npr_node *node)
{
    for (size_t i = 0; i < NPRI_SERVICES_COUNT; i++) {
        npri_inbox_discard(&node->services[i].inbox);
        npri_buffer_fini(&node->services[i].pid_term);
    }
}

struct npr_term npri_service_pid(const struct npr_node *node, enum npri_service_id id)
{
    return npri_buffer_term(&node->services[id].pid_term);
}

bool npri_service_is(const struct npr_node *node, const struct npr_pid *pid)
{
    for (size_t i = 0; i < NPRI_SERVICES_COUNT; i++) {
        const struct npr_pid *own = &node->services[i].pid;

        if (own->id == pid->id && own->serial == pid->serial && own->node.size != 0) {
            return true;
        }
    }
    return false;
}

void npri_service_send(struct npr_node *node,
                       enum npri_service_id id,
                       struct npr_term to,
                       struct npr_term message)
{
    npri_router_send(node, &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                                 .from = npri_service_pid(node, id),
                                                 .to = to,
                                                 .payload = message});
}
