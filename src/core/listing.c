/* The entries of this node, a part at a time (core/core.h). */
#include "base/limits.h"
#include "core/select.h"
#include "core/state.h"
#include "term/write.h"

struct page {
    const struct npri_core *core;
    const struct npri_select *select;
    struct npri_buffer *out; /* NULL: they are only counted */
    size_t start;
    uint32_t count;
};

static void put(struct npri_buffer *out, struct npr_term key, const struct npri_activation *living)
{
    npri_put_tuple(out, 3);
    npri_put_term(out, key);
    npri_put_term(out, living->pid);
    npri_put_uint(out, living->token);
}

static bool visit(void *user, const struct npri_entry *entry)
{
    struct page *page = user;
    const struct npr_term key = {.data = entry->key, .size = entry->key_size};

    if (!npri_select_has(page->select, key)) {
        return true;
    }
    page->count++;
    if (page->out == NULL) {
        return true;
    }
    put(page->out, key,
        &(struct npri_activation){.pid = npri_directory_pid(&page->core->directory, entry),
                                  .token = npri_entry_token(entry)});
    return page->out->size - page->start < NPRI_PAGE_BYTES_MAX;
}

uint32_t npri_core_put_page(const struct npri_core *core,
                            const struct npri_select *select,
                            uint64_t *cursor,
                            struct npri_buffer *out)
{
    struct page page = {
        .core = core, .select = select, .out = out, .start = out == NULL ? 0 : out->size};
    struct npri_activation living;
    struct npr_bytes key;

    if (select->kind != NPRI_SELECT_KEY) {
        npri_directory_walk(&core->directory, cursor, NPRI_PAGE_STEPS_MAX, visit, &page);
        return page.count;
    }
    *cursor = 0;
    if (!npri_core_normal_key(core, select->term, &key) ||
        !npri_directory_find(&core->directory, key, &living)) {
        return 0;
    }
    if (out != NULL) {
        put(out, select->term, &living);
    }
    return 1;
}
