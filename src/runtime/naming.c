/* nprocreg/names.h, as far as it is not about nodes; and callers that are kept. */
#include <string.h>

#include "nprocreg/names.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "runtime/internal.h"

bool npri_name_is_valid(const char *name)
{
    size_t count;

    return name != NULL && strcmp(name, "undefined") != 0 &&
           npri_utf8_count(npr_bytes_of(name), &count, NULL) && count != 0 &&
           count <= NPRI_ATOM_CHARS_MAX;
}

npr_status npri_runtime_name(struct npri_runtime *runtime,
                             const char *name,
                             const struct npr_pid *pid)
{
    struct npri_local local;

    if (!npri_name_is_valid(name) || pid == NULL) {
        return NPR_EINVAL;
    }
    if (!npri_runtime_is_local(runtime, pid, &local)) {
        return NPR_ENOPROC;
    }
    return npri_names_add(&runtime->names, npr_bytes_of(name), local, &runtime->table);
}

npr_status npri_runtime_unname(struct npri_runtime *runtime, const char *name)
{
    struct npri_local local;

    if (!npri_name_is_valid(name)) {
        return NPR_EINVAL;
    }
    /* A name of a service stays one, so nothing can change in between. */
    if (npri_names_find(&runtime->names, npr_bytes_of(name), &local) && local.serial == 0 &&
        local.id <= NPRI_SERVICES_MAX) {
        return NPR_EREFUSED;
    }
    return npri_names_remove(&runtime->names, npr_bytes_of(name)) ? NPR_OK : NPR_ENOTFOUND;
}

npr_status npri_runtime_named(struct npri_runtime *runtime,
                              const char *name,
                              struct npr_pid *out_pid)
{
    if (!npri_name_is_valid(name) || out_pid == NULL) {
        return NPR_EINVAL;
    }
    return npri_runtime_whereis(runtime, npr_bytes_of(name), out_pid) ? NPR_OK : NPR_ENOTFOUND;
}

npr_status npr_register_name(struct npr_process *self, const char *name)
{
    struct npr_pid pid;

    if (!npri_process_is_here(self)) {
        return NPR_EINVAL;
    }
    pid = npr_self(self);
    return npri_runtime_name(self->origin->runtime, name, &pid);
}

npr_status npr_unregister_name(struct npr_process *self, const char *name)
{
    return npri_process_is_here(self) ? npri_runtime_unname(self->origin->runtime, name)
                                      : NPR_EINVAL;
}

npr_status npr_whereis(struct npr_process *self, const char *name, struct npr_pid *out_pid)
{
    return npri_process_is_here(self) ? npri_runtime_named(self->origin->runtime, name, out_pid)
                                      : NPR_EINVAL;
}

/* ---- Callers. */

struct npr_caller {
    struct npr_from from; /* the bytes follow */
    uint8_t bytes[];
};

struct npr_caller *npr_caller_create(const struct npr_from *from)
{
    struct npr_caller *caller;

    if (from == NULL || from->tag.data == NULL || npr_term_kind(from->pid) != NPR_TERM_PID) {
        return NULL;
    }
    caller = npri_alloc(sizeof(*caller) + from->pid.size + from->tag.size);
    if (caller == NULL) {
        return NULL;
    }
    memcpy(caller->bytes, from->pid.data, from->pid.size);
    memcpy(caller->bytes + from->pid.size, from->tag.data, from->tag.size);
    caller->from = (struct npr_from){
        .pid = {.data = caller->bytes, .size = from->pid.size},
        .tag = {.data = caller->bytes + from->pid.size, .size = from->tag.size},
    };
    return caller;
}

void npr_caller_destroy(struct npr_caller *caller)
{
    npri_free(caller);
}

const struct npr_from *npr_caller_from(const struct npr_caller *caller)
{
    return caller == NULL ? NULL : &caller->from;
}
