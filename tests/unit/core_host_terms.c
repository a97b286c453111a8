#include "core_host_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "term/write.h"

#define TERMS_KEPT 16

void host_fake_md5(const void *data, size_t size, uint8_t out[16])
{
    const uint8_t *bytes = data;

    memset(out, 0, 16);
    if (bytes[0] == 0) { /* a member of a view: no term begins so */
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++) {
            hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
        }
        memcpy(out, &hash, sizeof(hash));
        return;
    }
    out[15] = (uint8_t)(bytes[size - 1] - 'a');
}

struct npr_node_name host_node(const char *name)
{
    struct npr_node_name node = {0};
    char full[NPR_NODE_NAME_BYTES_MAX + 1];

    (void)snprintf(full, sizeof(full), "%s%s", name, strchr(name, '@') == NULL ? "@h" : "");
    node.size = (uint8_t)strlen(full);
    memcpy(node.text, full, node.size);
    return node;
}

struct npr_pid host_pid(const char *text)
{
    char name[NPR_NODE_NAME_BYTES_MAX + 1] = {0};
    const char *dot = strchr(text, '.');

    assert_non_null(dot);
    memcpy(name, text, (size_t)(dot - text));
    return (struct npr_pid){
        .node = host_node(name), .id = (uint32_t)strtoul(dot + 1, NULL, 10), .creation = 1};
}

/* Terms live in a ring of buffers, so that a case can write them inline. */
struct npri_buffer *host_next_buffer(void)
{
    static struct npri_buffer ring[TERMS_KEPT];
    static uint8_t memory[TERMS_KEPT][4096];
    static size_t next;
    const size_t index = next++ % TERMS_KEPT;

    ring[index] = (struct npri_buffer){.data = memory[index], .capacity = 4096, .size_max = 4096};
    return &ring[index];
}

struct npr_term host_term_in(const struct npri_buffer *buffer)
{
    assert_false(buffer->failed);
    return (struct npr_term){.data = buffer->data, .size = buffer->size};
}

struct npr_term host_atom(const char *name)
{
    struct npri_buffer *buffer = host_next_buffer();

    npri_put_atom(buffer, name);
    return host_term_in(buffer);
}

struct npr_term host_pid_term(const char *text)
{
    struct npri_buffer *buffer = host_next_buffer();
    const struct npr_pid pid = host_pid(text);

    npri_put_pid(buffer, &pid);
    return host_term_in(buffer);
}

struct npr_term host_nodes(const char *names)
{
    struct npri_buffer *buffer = host_next_buffer();
    struct npr_node_name nodes[16];
    uint32_t count = 0;
    char copy[512];
    char *rest = copy;
    char *name;

    (void)snprintf(copy, sizeof(copy), "%s", names);
    while ((name = strtok_r(rest, " ", &rest)) != NULL) {
        assert_true(count < 16);
        nodes[count++] = host_node(name);
    }
    if (count > 0) {
        npri_put_list(buffer, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        npri_put_node(buffer, &nodes[i]);
    }
    npri_put_nil(buffer);
    return host_term_in(buffer);
}

struct npr_term host_view(const struct npri_told_view *view)
{
    struct npri_buffer *buffer = host_next_buffer();

    npri_put_tuple(buffer, 7);
    npri_put_atom(buffer, "view");
    npri_put_uint(buffer, view->epoch);
    npri_put_uint(buffer, view->view_hash);
    npri_put_uint(buffer, view->sees_hash);
    npri_put_uint(buffer, view->ack);
    npri_put_uint(buffer, view->base);
    npri_put_atom(buffer, view->draining ? "true" : "false");
    return host_term_in(buffer);
}

/* Pids as text have no creation; ours have this one. */
struct npr_term host_with_creations(struct npr_term term)
{
    struct npri_buffer *buffer = host_next_buffer();
    uint8_t *data = npri_buffer_extend(buffer, term.size);

    memcpy(data, term.data, term.size);
    for (size_t i = 0; i + 15 < term.size; i++) {
        if (data[i] == 'X' && data[i + 1] == 'w') { /* NEW_PID_EXT, SMALL_ATOM_UTF8_EXT */
            data[i + 3 + data[i + 2] + 11] = 1;
        }
    }
    return host_term_in(buffer);
}
