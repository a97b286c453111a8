#include "core_host_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/state.h"
#include "support/check.h"
#include "term/write.h"

static void add(struct core_host *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct core_host *host, const char *format, ...)
{
    const size_t room = sizeof(host->trace) - host->trace_size;
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(host->trace + host->trace_size, room, format, args);
    va_end(args);
    assert_true(size >= 0 && (size_t)size < room);
    host->trace_size += (size_t)size;
}

static void add_node(struct core_host *host, const struct npr_node_name *node)
{
    const int size = (int)node->size;
    const bool is_short = size > 2 && memcmp(node->text + size - 2, "@h", 2) == 0;

    add(host, " %.*s", is_short ? size - 2 : size, node->text);
}

static void add_term(struct core_host *host, const char *before, struct npr_term term)
{
    struct npr_bytes atom;
    struct npr_pid pid;

    if (npr_term_get_atom(term, &atom)) {
        add(host, "%s%.*s", before, (int)atom.size, (const char *)atom.data);
    } else if (npr_term_get_pid(term, &pid)) {
        add(host, "%s%.*s.%u", before, pid.node.size - 2, pid.node.text, pid.id);
    } else if (term.data != NULL) {
        add(host, "%s?", before);
    }
}

static const char *name_of(enum npri_effect_kind kind)
{
    static const char *const names[] = {
        [NPRI_EFFECT_CONNECT] = "CONNECT",
        [NPRI_EFFECT_GREET] = "GREET",
        [NPRI_EFFECT_ANNOUNCE] = "ANNOUNCE",
        [NPRI_EFFECT_POLL] = "POLL",
        [NPRI_EFFECT_ASK_RELEASE] = "ASK_RELEASE",
        [NPRI_EFFECT_ASK] = "ASK",
        [NPRI_EFFECT_DELEGATE] = "DELEGATE",
        [NPRI_EFFECT_START] = "START",
        [NPRI_EFFECT_DISCARD] = "DISCARD",
        [NPRI_EFFECT_MONITOR] = "MONITOR",
        [NPRI_EFFECT_DEMONITOR] = "DEMONITOR",
        [NPRI_EFFECT_ANSWER] = "ANSWER",
        [NPRI_EFFECT_LOG] = "LOG",
        [NPRI_EFFECT_TELL] = "TELL",
        [NPRI_EFFECT_NEWS] = "NEWS",
        [NPRI_EFFECT_DISCONNECT] = "DISCONNECT",
        [NPRI_EFFECT_FENCE] = "FENCE",
        [NPRI_EFFECT_QUORUM] = "QUORUM",
        [NPRI_EFFECT_CONFLICT] = "CONFLICT",
        [NPRI_EFFECT_HANDOVER] = "HANDOVER",
        [NPRI_EFFECT_MOVED] = "MOVED",
    };

    return names[kind];
}

static void count_told(struct core_host *host, struct npr_term message)
{
    struct npr_term_walk walk;
    struct npr_term parts[3] = {{0}};
    uint32_t arity;

    assert_true(npr_term_tuple(message, &walk, &arity));
    for (unsigned i = 0; i < 3; i++) {
        (void)npr_term_next(&walk, &parts[i]);
    }
    host->told_bytes += message.size;
    host->told_lost += npr_term_is_atom(parts[0], "lost") ? 1 : 0;
    host->told_synced += npr_term_is_atom(parts[0], "synced") ? 1 : 0;
    host->told_unsure += npr_term_is_atom(parts[0], "unsure") ? 1 : 0;
    host->told_markers += npr_term_is_atom(parts[0], "marker") ? 1 : 0;
    (void)npr_term_get_uint64(parts[2], &host->told_at);
}

bool host_note_view(struct core_host *host, struct npr_term message)
{
    static const char *const words[] = {"view", "node_lost", "beat", "links"};
    struct npr_term_walk walk;
    struct npr_term parts[7] = {{0}};
    uint32_t arity;
    bool found = false;

    assert_true(npr_term_tuple(message, &walk, &arity));
    for (unsigned i = 0; i < 7; i++) {
        (void)npr_term_next(&walk, &parts[i]);
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        found = found || npr_term_is_atom(parts[0], words[i]);
    }
    if (arity == 7 && npr_term_is_atom(parts[0], "view")) {
        host->view.is = true;
        assert_true(npr_term_get_uint64(parts[1], &host->view.epoch));
        assert_true(npr_term_get_uint64(parts[2], &host->view.view_hash));
        assert_true(npr_term_get_uint64(parts[3], &host->view.sees_hash));
        assert_true(npr_term_get_uint64(parts[4], &host->view.ack));
        assert_true(npr_term_get_uint64(parts[5], &host->view.base));
    }
    return found;
}

/* What cores tell each other, as Erlang text. */
static void narrate_tell(struct core_host *host, const struct npri_core_effect *effect)
{
    char *text;

    if (host_note_view(host, effect->term) && !host->views) {
        return;
    }
    if (host->only_told) {
        count_told(host, effect->term);
        return;
    }
    text = npr_term_print(effect->term);
    assert_non_null(text);
    add(host, "TELL");
    add_node(host, &effect->node);
    add(host, " %s\n", text);
    free(text);
}

static void narrate_news(struct core_host *host, const struct npri_core_effect *effect)
{
    if (host->only_told) {
        host->news[effect->news]++;
        return;
    }
    add(host, "NEWS %u %s", (unsigned)effect->request, npr_watch_kind_name(effect->news));
    if (effect->node.size > 0) {
        add_node(host, &effect->node);
    }
    add_term(host, " key=", effect->key);
    add_term(host, " ", effect->old);
    add_term(host, effect->old.data == NULL ? " " : " -> ", effect->term);
    if (effect->news == NPR_WATCH_GONE) {
        add(host, " %s", npr_gone_name(effect->gone));
    }
    add(host, "\n");
}

void host_narrate(struct core_host *host, const struct npri_core_effect *effect)
{
    if (effect->kind == NPRI_EFFECT_LOG && host->quiet) {
        return;
    }
    if (effect->kind == NPRI_EFFECT_FENCE && !host->fences) {
        return;
    }
    if (effect->kind == NPRI_EFFECT_TELL) {
        narrate_tell(host, effect);
        return;
    }
    if (effect->kind == NPRI_EFFECT_NEWS) {
        narrate_news(host, effect);
        return;
    }
    if (host->only_watch) {
        return;
    }
    if (effect->kind == NPRI_EFFECT_START) {
        host->start_token = effect->token;
    } else if (effect->kind == NPRI_EFFECT_ANSWER) {
        host->answer_token = effect->token;
    }
    add(host, "%s", name_of(effect->kind));
    if (effect->operation != 0) {
        add(host, " %u", (unsigned)effect->operation);
    }
    if (effect->node.size > 0) {
        add_node(host, &effect->node);
    }
    if (effect->kind == NPRI_EFFECT_ANSWER) {
        add(host, " %u %s", (unsigned)effect->request, npr_status_name(effect->status));
    }
    add_term(host, " key=", effect->key);
    add_term(host, " function=", effect->function);
    add_term(host, " ", effect->term);
    if (effect->kind == NPRI_EFFECT_CONFLICT || effect->kind == NPRI_EFFECT_MOVED) {
        add_term(host, " -> ", effect->old);
    }
    add_term(host, " state=", effect->state);
    if (effect->started || effect->final || effect->moved) {
        add(host, effect->started ? " started" : effect->final ? " final" : " moved");
    }
    if (effect->kind == NPRI_EFFECT_QUORUM) {
        add(host, " %s", effect->regained ? "regained" : "lost");
    }
    if (effect->text.size > 0) {
        add(host, " %.*s", (int)effect->text.size, (const char *)effect->text.data);
    }
    add(host, "\n");
}

void check_trace(struct core_host *host, const char *lines, const char *file, int line)
{
    if (strcmp(host->trace, lines) != 0) {
        (void)fprintf(stderr, "actual:\n%sexpected:\n%s", host->trace, lines);
        _fail(file, line);
    }
    host_forget_trace(host);
}

void host_forget_trace(struct core_host *host)
{
    host->trace_size = 0;
    host->trace[0] = '\0';
}

void check_view(struct core_host *host, const char *names, const char *file, int line)
{
    struct core_host seen = {0};
    struct npri_buffer buffer = {0};
    struct npr_term_walk walk;
    struct npr_term element;
    struct npr_bytes atom;

    npri_core_put_nodes(host->core, &buffer);
    assert_true(npr_term_list(host_term_in(&buffer), &walk));
    while (npr_term_next(&walk, &element)) {
        assert_true(npr_term_get_atom(element, &atom));
        add(&seen, "%s%.*s", seen.trace_size == 0 ? "" : " ", (int)atom.size - 2,
            (const char *)atom.data);
    }
    npri_buffer_fini(&buffer);
    check_trace(&seen, names, file, line);
}

uint64_t host_status(struct core_host *host, const char *name)
{
    struct npri_buffer buffer = {0};
    struct npr_term value;
    uint64_t number;

    npri_core_put_status(host->core, host->now_ns, &buffer);
    assert_true(npr_term_map_get(host_term_in(&buffer), name, &value));
    assert_true(npr_term_get_uint64(value, &number));
    npri_buffer_fini(&buffer);
    return number;
}
