#include "node/process_terms.h"

#include <string.h>

#include "node/node.h"
#include "term/write.h"

#define ARITY_DIGITS_MAX 3u

/* The number behind the last '/'; false: it is none. */
static bool read_arity(const char *text, uint64_t *out)
{
    const size_t digits = strlen(text);

    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *out = 10 * *out + (uint64_t)(text[i] - '0');
    }
    return digits > 0 && digits <= ARITY_DIGITS_MAX;
}

void npri_put_process_function(struct npri_buffer *out, const char *text)
{
    const char *colon = strchr(text, ':');
    const char *slash = strrchr(text, '/');
    uint64_t arity;

    if (colon == NULL || slash == NULL || slash < colon || !read_arity(slash + 1, &arity)) {
        npri_put_binary(out, npr_bytes_of(text));
        return;
    }
    npri_put_tuple(out, 3);
    npri_put_atom_bytes(out, npri_bytes(text, (size_t)(colon - text)));
    npri_put_atom_bytes(out, npri_bytes(colon + 1, (size_t)(slash - colon - 1)));
    npri_put_uint(out, arity);
}

void npri_put_process_status(struct npri_buffer *out, enum npr_process_status status)
{
    const char *name = "waiting";

    switch (status) {
    case NPR_PROCESS_WAITING:
        break;
    case NPR_PROCESS_RUNNING:
        name = "running";
        break;
    case NPR_PROCESS_SUSPENDED:
        name = "suspended";
        break;
    }
    npri_put_atom(out, name);
}

void npri_put_process_pid(struct npr_node *node,
                          const struct npri_process_info *info,
                          struct npri_buffer *out)
{
    const struct npr_pid pid = npri_runtime_pid_of(node->runtime, info->id, info->serial);

    npri_put_pid(out, &pid);
}

/* The names of one process, as terms one after the other. */
struct names {
    struct npri_buffer terms;
    uint32_t count;
};

static void names_add(void *user, struct npr_bytes name)
{
    struct names *names = user;

    npri_put_atom_bytes(&names->terms, name);
    names->count++;
}

void npri_put_process_names(struct npr_node *node,
                            const struct npri_process_info *info,
                            struct npri_buffer *out)
{
    struct names names = {0};

    npri_buffer_init(&names.terms, 0);
    if (info->named) {
        const struct npr_pid pid = npri_runtime_pid_of(node->runtime, info->id, info->serial);

        npri_runtime_names(node->runtime, &pid, names_add, &names);
    }
    npri_put_list_of(out, names.count, &names.terms);
    npri_buffer_fini(&names.terms);
}

enum npri_found npri_process_find(struct npr_node *node,
                                  struct npr_term term,
                                  struct npri_process_info *out)
{
    struct npr_pid pid;

    if (!npr_term_get_pid(term, &pid) || !npr_node_name_equal(&pid.node, &node->name)) {
        return NPRI_FOUND_BADARG;
    }
    if (npri_service_is(node, &pid)) {
        *out = (struct npri_process_info){
            .id = pid.id,
            .serial = pid.serial,
            .named = !npr_pid_equal(&pid, &node->services[NPRI_SERVICE_CLIENT].pid),
            .function = "nprocreg:service/0"};
        return NPRI_FOUND;
    }
    return npri_runtime_info(node->runtime, &pid, out) ? NPRI_FOUND : NPRI_FOUND_DEAD;
}
