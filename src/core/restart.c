#include "core/restart.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

struct npri_restart *npri_restart_create(const struct npri_restart_rule *rule,
                                         struct npri_shared *function)
{
    struct npri_restart *restart;

    NPRI_ASSERT(rule->max > 0 && rule->max <= NPRI_RESTARTS_MAX);
    restart = npri_alloc(sizeof(*restart) + rule->max * sizeof(restart->at_ns[0]));
    if (restart == NULL) {
        return NULL;
    }
    *restart = (struct npri_restart){.rule = *rule, .function = npri_shared_acquire(function)};
    return restart;
}

void npri_restart_destroy(struct npri_restart *restart)
{
    if (restart != NULL) {
        npri_shared_release(restart->function);
        npri_free(restart);
    }
}

/* ---- The rules. */

/* normal, shutdown, {shutdown,_}: how a process ends that has done its work. */
static bool is_orderly(struct npr_term reason)
{
    struct npr_term parts[2];

    return npr_term_is_atom(reason, "normal") || npr_term_is_atom(reason, "shutdown") ||
           (npr_term_get_tuple(reason, 2, parts) && npr_term_is_atom(parts[0], "shutdown"));
}

static bool is_wanted(const struct npri_restart *restart, struct npr_term reason)
{
    switch (restart->rule.kind) {
    case NPRI_RESTART_TEMPORARY:
        return false;
    case NPRI_RESTART_TRANSIENT:
        return !is_orderly(reason);
    case NPRI_RESTART_PERMANENT:
        return true;
    }
    return false;
}

bool npri_restart_admit(struct npri_restart *restart, uint64_t now_ns)
{
    const bool full = restart->count == restart->rule.max;

    if (full && now_ns - restart->at_ns[restart->next] <= restart->rule.window_ns) {
        return false;
    }
    restart->at_ns[restart->next] = now_ns;
    restart->next = (restart->next + 1) % restart->rule.max;
    restart->count += full ? 0 : 1;
    return true;
}

/* ---- The log. */

/* "module:function/arity", as processes are named in the log; anything else as it is. */
static void add_function(struct npri_text *text, struct npr_term function)
{
    struct npr_term parts[3];
    struct npr_term_walk walk;
    struct npr_bytes module;
    struct npr_bytes name;
    uint32_t arity = 0;

    if (npr_term_get_tuple(function, 3, parts) && npr_term_get_atom(parts[0], &module) &&
        npr_term_get_atom(parts[1], &name) && npr_term_list(parts[2], &walk)) {
        while (npr_term_next(&walk, &parts[0])) {
            arity++;
        }
    } else if (!npr_term_get_export(function, &module, &name, &arity)) {
        npri_core_text_term(text, " function=", function);
        return;
    }
    npri_text_add(text, " function=");
    npri_text_add_bytes(text, module);
    npri_text_add(text, ":");
    npri_text_add_bytes(text, name);
    npri_text_add(text, "/");
    npri_text_add_uint(text, arity);
}

static void begin_line(struct npri_text *text,
                       const char *event,
                       const struct npri_restart *restart,
                       struct npr_term key)
{
    npri_text_add(text, event);
    npri_core_text_term(text, " key=", key);
    add_function(text, npri_shared_term(restart->function));
}

void npri_restart_log_end(struct npri_core *core,
                          const struct npri_restart *restart,
                          struct npr_term key,
                          struct npr_bytes reason)
{
    struct npri_text text = {0};

    begin_line(&text, "restart_given_up", restart, key);
    npri_text_add(&text, " restarts=");
    npri_text_add_uint(&text, restart->count);
    npri_text_add(&text, " window_ms=");
    npri_text_add_uint(&text, restart->rule.window_ns / 1000000);
    npri_text_add(&text, " reason=");
    npri_text_add_bytes(&text, reason);
    npri_core_log(core, NPRI_LOG_WARNING, &text);
}

static void log_restart(struct npri_core *core,
                        const struct npri_restart *restart,
                        struct npr_term key,
                        struct npr_term reason)
{
    struct npri_text text = {0};

    begin_line(&text, "restart", restart, key);
    npri_core_text_term(&text, " reason=", reason);
    npri_core_log(core, NPRI_LOG_INFO, &text);
}

/* ---- The end of a process. */

/* Takes `restart` over. */
static void end_of_key(struct npri_core *core,
                       struct npri_restart *restart,
                       struct npr_term key,
                       struct npr_term reason)
{
    struct npri_text text = {0};

    if (core->closing || !is_wanted(restart, reason)) {
        npri_restart_destroy(restart);
        return;
    }
    if (!npri_quorum_permits(core, &text)) {
        npri_restart_log_end(core, restart, key, npri_text_bytes(&text));
        npri_restart_destroy(restart);
        return;
    }
    if (!npri_restart_admit(restart, core->now_ns)) {
        npri_core_text_term(&text, "", reason);
        npri_restart_log_end(core, restart, key, npri_text_bytes(&text));
        npri_restart_destroy(restart);
        return;
    }
    log_restart(core, restart, key, reason);
    npri_start_again(core, restart, key);
}

/* A key that is started again is marked before its entry goes: no thread may start it by itself. */
void npri_restart_on_down(struct npri_core *core, struct npr_term pid, struct npr_term reason)
{
    const enum npr_gone gone = npri_gone_of(reason);
    const struct npri_entry *first;

    core->ending = true;
    while ((first = npri_directory_next_of(&core->directory, pid, NULL)) != NULL) {
        const struct npr_bytes key = npri_entry_key(first);
        const bool supervised = first->supervised;
        struct npri_restart *restart;
        struct npri_entry *entry;

        if (supervised) {
            (void)npri_mark_raise(core, npri_entry_key(first));
        }
        entry = npri_directory_take(&core->directory, pid, gone);
        NPRI_ASSERT(entry == first);
        restart = npri_entry_take_restart(entry);
        if (restart != NULL && npri_handover_is_given(core, pid)) {
            npri_restart_destroy(restart);
            restart = NULL;
        }
        if (restart != NULL) {
            end_of_key(core, restart, (struct npr_term){.data = key.data, .size = key.size},
                       reason);
        }
        /* Its owner hears that it is free, or that it is busy: never first one and then the other,
         * or it would start it in between. */
        if (restart == NULL || !npri_start_is_under_way(core, key)) {
            npri_push_on_entry(core, key, NULL, pid);
        }
        if (supervised) {
            npri_mark_lower(core, npri_entry_key(entry));
        }
        npri_directory_dispose(&core->directory, entry);
    }
    core->ending = false;
}
