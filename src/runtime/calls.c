/* What a callback may do: nprocreg/process.h. */
#include "base/alloc.h"
#include "runtime/internal.h"
#include "term/write.h"

static bool pid_is_valid(const struct npr_pid *pid)
{
    return pid != NULL && pid->node.size != 0;
}

/* The same of one that is written out: the name of its node becomes an atom. */
static bool pid_is_sound(const struct npr_pid *pid)
{
    return pid_is_valid(pid) && npri_atom_is_possible(npri_bytes(pid->node.text, pid->node.size));
}

void npri_process_note_peer(struct npr_process *self, const struct npr_pid *peer)
{
    if (!npr_node_name_equal(&peer->node, &self->origin->runtime->options.node)) {
        atomic_store_explicit(&self->has_remote, true, memory_order_relaxed);
    }
}

/* A copy of `draft` from the process; NULL: no memory. */
static struct npri_signal *process_draft(struct npr_process *process,
                                         const struct npri_signal *draft,
                                         const struct npr_term *parts,
                                         size_t parts_count)
{
    uint8_t self[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal complete = *draft;

    if (complete.from.data == NULL) {
        complete.from = npri_local_pid(process->origin->runtime, process->local, self);
    }
    return npri_signal_create_parts(&complete, parts, parts_count);
}

npr_status npri_process_send(struct npr_process *process,
                             const struct npri_signal *draft,
                             const struct npr_term *parts,
                             size_t parts_count)
{
    struct npri_signal *signal = process_draft(process, draft, parts, parts_count);

    if (signal == NULL) {
        return NPR_ENOMEM;
    }
    npri_runtime_deliver(process->origin->runtime, signal);
    return NPR_OK;
}

struct npr_pid npr_self(const struct npr_process *self)
{
    if (!npri_process_is_here(self)) {
        return (struct npr_pid){0};
    }
    return (struct npr_pid){
        .node = self->origin->runtime->options.node,
        .id = self->local.id,
        .serial = self->local.serial,
        .creation = self->origin->runtime->options.creation,
    };
}

const void *npr_user(const struct npr_process *self)
{
    return npri_process_is_here(self) ? self->origin->behaviour->user : NULL;
}

/* Whether it is in its init. */
static bool process_is_starting(const struct npr_process *self)
{
    return npri_process_is_here(self) && self->phase == NPRI_PHASE_STARTING;
}

struct npr_term npr_start_key(const struct npr_process *self)
{
    return process_is_starting(self) ? self->start->key : (struct npr_term){0};
}

uint64_t npr_start_token(const struct npr_process *self)
{
    return process_is_starting(self) ? self->start->token : 0;
}

struct npr_term npr_start_state(const struct npr_process *self)
{
    return process_is_starting(self) ? self->start->state : (struct npr_term){0};
}

npr_status npr_stop(struct npr_process *self, struct npr_term reason)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT, .payload = reason};

    if (!npri_process_is_here(self) || reason.data == NULL) {
        return NPR_EINVAL;
    }
    if (self->worker->stop != NULL || self->worker->terminating) {
        return NPR_OK;
    }
    self->worker->stop = npri_signal_create(&draft);
    return self->worker->stop == NULL ? NPR_ENOMEM : NPR_OK;
}

npr_status npr_reply(struct npr_process *self, const struct npr_from *from, struct npr_term reply)
{
    if (!npri_process_is_here(self) || from == NULL || reply.data == NULL ||
        from->tag.data == NULL || npr_term_kind(from->pid) != NPR_TERM_PID) {
        return NPR_EINVAL;
    }
    return npri_process_reply(self, from->pid, from->tag, reply);
}

npr_status npr_send(struct npr_process *self, const struct npr_pid *to, struct npr_term message)
{
    uint8_t to_bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal draft;
    struct npri_local local;

    if (!npri_process_is_here(self) || !pid_is_valid(to) || message.data == NULL) {
        return NPR_EINVAL;
    }
    if (npri_runtime_is_local(self->origin->runtime, to, &local)) {
        if (npri_batch_add(self->origin->runtime, &self->worker->batch, local, message)) {
            return NPR_OK;
        }
        return npri_runtime_send_local(self->origin->runtime, self->local, local, &message, 1);
    }
    if (!pid_is_sound(to)) {
        return NPR_EINVAL;
    }
    draft = (struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE};
    draft.to = npri_pid_term(to, to_bytes);
    return npri_process_send(self, &draft, &message, 1);
}

npr_status npr_exit(struct npr_process *self, const struct npr_pid *to, struct npr_term reason)
{
    uint8_t to_bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT};

    if (!npri_process_is_here(self) || !pid_is_sound(to) || reason.data == NULL) {
        return NPR_EINVAL;
    }
    draft.to = npri_pid_term(to, to_bytes);
    return npri_process_send(self, &draft, &reason, 1);
}

npr_status npr_link(struct npr_process *self, const struct npr_pid *to)
{
    const struct npr_term none = {0};
    uint8_t to_bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal draft = {.kind = NPRI_SIGNAL_LINK};
    struct npri_relation *link;
    struct npri_relation *created = NULL;
    struct npri_signal *signal;

    if (!npri_process_is_here(self) || !pid_is_sound(to)) {
        return NPR_EINVAL;
    }
    if (npri_process_is(self, to)) {
        return NPR_OK;
    }
    draft.to = npri_pid_term(to, to_bytes);
    link = npri_process_relation(self, NPRI_RELATION_LINK, draft.to, none);
    if (link != NULL && link->unlink_id == 0) {
        return NPR_OK;
    }
    if (link == NULL) {
        link = created = npri_relation_create(NPRI_RELATION_LINK, draft.to, none, none);
    }
    signal = link == NULL ? NULL : process_draft(self, &draft, NULL, 0);
    if (signal == NULL) {
        npri_relation_destroy(created);
        return NPR_ENOMEM;
    }
    if (created != NULL) {
        npri_process_tie(self, created);
    }
    link->unlink_id = 0; /* a new link: the acknowledgement on its way is not for it */
    npri_process_note_peer(self, to);
    npri_runtime_deliver(self->origin->runtime, signal);
    return NPR_OK;
}

npr_status npr_unlink(struct npr_process *self, const struct npr_pid *to)
{
    const struct npr_term none = {0};
    uint8_t to_bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal draft = {.kind = NPRI_SIGNAL_UNLINK};
    struct npri_relation *link;
    struct npri_signal *signal;

    if (!npri_process_is_here(self) || !pid_is_sound(to)) {
        return NPR_EINVAL;
    }
    draft.to = npri_pid_term(to, to_bytes);
    link = npri_process_relation(self, NPRI_RELATION_LINK, draft.to, none);
    if (link == NULL || link->unlink_id != 0) {
        return NPR_OK;
    }
    /* relaxed: a number. */
    draft.id =
        atomic_fetch_add_explicit(&self->origin->runtime->next_unlink, 1, memory_order_relaxed);
    signal = process_draft(self, &draft, NULL, 0);
    if (signal == NULL) {
        return NPR_ENOMEM;
    }
    link->unlink_id = draft.id;
    npri_runtime_deliver(self->origin->runtime, signal);
    return NPR_OK;
}

npr_status npr_monitor(struct npr_process *self, const struct npr_pid *to, struct npr_ref *out_ref)
{
    const struct npr_term none = {0};
    uint8_t to_bytes[NPRI_IDENTITY_BYTES_MAX];
    uint8_t ref_bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MONITOR};
    struct npri_relation *watching;
    struct npri_signal *signal;
    struct npr_ref ref;

    if (!npri_process_is_here(self) || !pid_is_sound(to) || out_ref == NULL) {
        return NPR_EINVAL;
    }
    ref = npri_runtime_new_ref(self->origin->runtime);
    draft.to = npri_pid_term(to, to_bytes);
    draft.ref = npri_ref_term(&ref, ref_bytes);
    watching = npri_relation_create(NPRI_RELATION_WATCHING, draft.to, draft.ref, none);
    signal = watching == NULL ? NULL : process_draft(self, &draft, NULL, 0);
    if (signal == NULL) {
        npri_relation_destroy(watching);
        return NPR_ENOMEM;
    }
    npri_process_tie(self, watching);
    npri_process_note_peer(self, to);
    npri_runtime_deliver(self->origin->runtime, signal);
    *out_ref = ref;
    return NPR_OK;
}

npr_status npr_demonitor(struct npr_process *self, const struct npr_ref *ref)
{
    const struct npr_term none = {0};
    uint8_t ref_bytes[NPRI_IDENTITY_BYTES_MAX];
    struct npri_signal draft = {.kind = NPRI_SIGNAL_DEMONITOR};
    struct npri_relation *watching;
    npr_status status;

    if (!npri_process_is_here(self) || ref == NULL || ref->node.size == 0 ||
        ref->words_count > NPR_REF_WORDS_MAX) {
        return NPR_EINVAL;
    }
    draft.ref = npri_ref_term(ref, ref_bytes);
    watching = npri_process_relation(self, NPRI_RELATION_WATCHING, draft.ref, none);
    if (watching == NULL) {
        return NPR_OK; /* it has fired, or never was */
    }
    draft.to = npri_relation_peer(watching);
    status = npri_process_send(self, &draft, NULL, 0);
    if (status == NPR_OK) {
        npri_relations_remove(&self->relations, watching);
        npri_relation_destroy(watching);
    }
    return status;
}

void npr_trap_exit(struct npr_process *self, bool trap)
{
    if (npri_process_is_here(self)) {
        self->traps_exit = trap;
    }
}

struct npr_builder *npr_scratch(struct npr_process *self)
{
    if (!npri_process_is_here(self)) {
        return NULL;
    }
    npr_builder_reset(self->worker->scratch);
    return self->worker->scratch;
}

void *npri_process_user(const struct npr_process *process)
{
    return npri_process_is_here(process) ? process->origin->runtime->options.user : NULL;
}

struct npr_term npri_process_leader(const struct npr_process *process)
{
    return process->leader == NULL ? (struct npr_term){0} : process->leader->from;
}
