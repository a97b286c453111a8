#include "term/builder.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "term/number.h"
#include "term/read.h"
#include "term/write.h"

#define NO_TEXT "there is no text"

/* Tuples that cannot be too deep, whatever they are in. */
#define PLAIN_TUPLES_MAX 64u

/* One term in the making.  `missing` counts the terms that must still be written to make it whole;
 * it is 1 at the start.  Invariant: once `error.status` is set nothing more is written. */
struct npr_builder {
    struct npri_buffer written;
    struct npri_buffer normal; /* what finish gives out when `written` is not in normal form */
    /* False: what has been written is in normal form, and need not be looked at again: a few
     * tuples, numbers, atoms, binaries, pids and references, which are written that way. */
    bool unsure;
    uint32_t tuples;
    uint64_t missing;
    uint64_t calls; /* to name the wrong one */
    struct npr_error error;
};

struct npr_builder *npr_builder_create(void)
{
    struct npr_builder *builder = npri_alloc(sizeof(*builder));

    if (builder == NULL) {
        return NULL;
    }
    npri_buffer_init(&builder->written, NPRI_TERM_BYTES_MAX);
    npri_buffer_init(&builder->normal, 0);
    npr_builder_reset(builder);
    return builder;
}

void npr_builder_destroy(struct npr_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    npri_buffer_fini(&builder->written);
    npri_buffer_fini(&builder->normal);
    npri_free(builder);
}

void npr_builder_reset(struct npr_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    npri_buffer_reset(&builder->written);
    npri_buffer_reset(&builder->normal);
    builder->unsure = false;
    builder->tuples = 0;
    builder->missing = 1;
    builder->calls = 0;
    builder->error.status = NPR_OK;
    builder->error.text[0] = '\0';
}

/* Counts a call that writes one term with `children` still to follow and at most `bytes` bytes now.
 * False: an earlier call or this one is wrong, and nothing may be written. */
static bool begin(struct npr_builder *builder, const char *call, uint64_t children, size_t bytes)
{
    if (builder == NULL) {
        return false;
    }
    builder->calls++;
    if (builder->error.status != NPR_OK) {
        return false;
    }
    if (builder->missing == 0) {
        (void)npri_fail(&builder->error, NPR_EINVAL, "call %llu (%s): the term is whole already",
                        (unsigned long long)builder->calls, call);
        return false;
    }
    if (bytes > NPRI_TERM_BYTES_MAX - builder->written.size ||
        children > NPRI_TERM_BYTES_MAX - builder->missing) {
        (void)npri_fail(&builder->error, NPR_EFULL, "call %llu (%s): a term of more than %u bytes",
                        (unsigned long long)builder->calls, call, NPRI_TERM_BYTES_MAX);
        return false;
    }
    builder->missing += children;
    builder->missing--;
    return true;
}

static void refuse(struct npr_builder *builder, const char *call, const char *why)
{
    if (builder == NULL) {
        return;
    }
    builder->calls++;
    if (builder->error.status == NPR_OK) {
        (void)npri_fail(&builder->error, NPR_EINVAL, "call %llu (%s): %s",
                        (unsigned long long)builder->calls, call, why);
    }
}

#define BINARY_HEAD_BYTES 5u
#define LIST_FRAME_BYTES  6u  /* its head, and the [] at its end */
#define HEAD_BYTES_MAX    16u /* any tag with its lengths and one number */

void npr_build_int(struct npr_builder *builder, int64_t value)
{
    if (begin(builder, "int", 0, HEAD_BYTES_MAX)) {
        npri_put_int(&builder->written, value);
    }
}

void npr_build_uint(struct npr_builder *builder, uint64_t value)
{
    if (begin(builder, "uint", 0, HEAD_BYTES_MAX)) {
        npri_put_uint(&builder->written, value);
    }
}

void npr_build_double(struct npr_builder *builder, double value)
{
    if (!npri_double_is_finite(value)) {
        refuse(builder, "double", "the value is not finite");
    } else if (begin(builder, "double", 0, HEAD_BYTES_MAX)) {
        npri_put_double(&builder->written, value);
    }
}

void npr_build_atom(struct npr_builder *builder, const char *utf8)
{
    if (utf8 == NULL) {
        refuse(builder, "atom", NO_TEXT);
        return;
    }
    npr_build_atom_bytes(builder, npr_bytes_of(utf8));
}

/* Why `utf8` is no atom, or NULL. */
static const char *atom_fault(struct npr_bytes utf8)
{
    size_t chars;

    if (utf8.data == NULL && utf8.size > 0) {
        return NO_TEXT;
    }
    if (!npri_utf8_count(utf8, &chars, NULL)) {
        return "the atom is not UTF-8";
    }
    return chars > NPRI_ATOM_CHARS_MAX ? "the atom has more than 255 characters" : NULL;
}

void npr_build_atom_bytes(struct npr_builder *builder, struct npr_bytes utf8)
{
    const char *fault = atom_fault(utf8);

    if (fault != NULL) {
        refuse(builder, "atom", fault);
    } else if (begin(builder, "atom", 0, HEAD_BYTES_MAX + utf8.size)) {
        npri_put_atom_bytes(&builder->written, utf8);
    }
}

void npr_build_binary(struct npr_builder *builder, struct npr_bytes bytes)
{
    if (bytes.data == NULL && bytes.size > 0) {
        refuse(builder, "binary", NO_TEXT);
    } else if (begin(builder, "binary", 0,
                     bytes.size > NPRI_TERM_BYTES_MAX ? bytes.size
                                                      : BINARY_HEAD_BYTES + bytes.size)) {
        npri_put_binary(&builder->written, bytes);
    }
}

void npr_build_text(struct npr_builder *builder, const char *utf8)
{
    if (utf8 == NULL) {
        refuse(builder, "text", NO_TEXT);
        return;
    }
    npr_build_binary(builder, npr_bytes_of(utf8));
}

/* What the list of its characters takes: 0..255 are small integers. */
static size_t string_bytes(struct npr_bytes utf8)
{
    size_t bytes = LIST_FRAME_BYTES;

    while (utf8.size > 0) {
        uint32_t code = 0;
        const size_t size = npri_utf8_take(utf8, &code);

        bytes += code <= UINT8_MAX ? 2 : 5;
        utf8 = npri_bytes(utf8.data + size, utf8.size - size);
    }
    return bytes;
}

void npr_build_string(struct npr_builder *builder, const char *utf8)
{
    struct npr_bytes text = npr_bytes_of(utf8);
    size_t chars;

    if (utf8 == NULL) {
        refuse(builder, "string", NO_TEXT);
        return;
    }
    if (!npri_utf8_count(text, &chars, NULL)) {
        refuse(builder, "string", "the text is not UTF-8");
        return;
    }
    if (!begin(builder, "string", 0, string_bytes(text))) {
        return;
    }
    builder->unsure = true;
    if (chars > 0) {
        npri_put_list(&builder->written, (uint32_t)chars);
    }
    while (text.size > 0) {
        uint32_t code = 0;
        const size_t size = npri_utf8_take(text, &code);

        npri_put_int(&builder->written, code);
        text = npri_bytes(text.data + size, text.size - size);
    }
    npri_put_nil(&builder->written);
}

static bool node_is_atom(const struct npr_node_name *node)
{
    return atom_fault(npri_bytes(node->text, node->size)) == NULL;
}

void npr_build_pid(struct npr_builder *builder, const struct npr_pid *pid)
{
    if (pid == NULL) {
        refuse(builder, "pid", "there is no pid");
    } else if (!node_is_atom(&pid->node)) {
        refuse(builder, "pid", "the node's name is not UTF-8");
    } else if (begin(builder, "pid", 0, sizeof(*pid))) {
        npri_put_pid(&builder->written, pid);
    }
}

void npr_build_ref(struct npr_builder *builder, const struct npr_ref *ref)
{
    if (ref == NULL) {
        refuse(builder, "ref", "there is no reference");
    } else if (!node_is_atom(&ref->node)) {
        refuse(builder, "ref", "the node's name is not UTF-8");
    } else if (ref->words_count == 0 || ref->words_count > NPR_REF_WORDS_MAX) {
        refuse(builder, "ref", "a reference has 1 to 5 words");
    } else if (begin(builder, "ref", 0, sizeof(*ref))) {
        npri_put_ref(&builder->written, ref);
    }
}

void npr_build_export(struct npr_builder *builder,
                      const char *module,
                      const char *function,
                      uint8_t arity)
{
    const struct npr_bytes m = npr_bytes_of(module);
    const struct npr_bytes f = npr_bytes_of(function);
    const char *fault = atom_fault(m) != NULL ? atom_fault(m) : atom_fault(f);

    if (module == NULL || function == NULL) {
        refuse(builder, "export", NO_TEXT);
    } else if (fault != NULL) {
        refuse(builder, "export", fault);
    } else if (begin(builder, "export", 0, HEAD_BYTES_MAX + m.size + f.size)) {
        npri_put_export(&builder->written, m, f, arity);
    }
}

void npr_build_tuple(struct npr_builder *builder, uint32_t arity)
{
    if (begin(builder, "tuple", arity, HEAD_BYTES_MAX)) {
        builder->tuples++;
        npri_put_tuple(&builder->written, arity);
    }
}

void npr_build_list(struct npr_builder *builder, uint32_t count)
{
    if (begin(builder, "list", (uint64_t)count + 1, HEAD_BYTES_MAX)) {
        builder->unsure = true;
        if (count > 0) {
            npri_put_list(&builder->written, count);
        }
    }
}

void npr_build_nil(struct npr_builder *builder)
{
    if (begin(builder, "nil", 0, HEAD_BYTES_MAX)) {
        npri_put_nil(&builder->written);
    }
}

void npr_build_map(struct npr_builder *builder, uint32_t pairs)
{
    if (begin(builder, "map", 2 * (uint64_t)pairs, HEAD_BYTES_MAX)) {
        builder->unsure = true;
        npri_put_map(&builder->written, pairs);
    }
}

void npr_build_term(struct npr_builder *builder, struct npr_term term)
{
    if (term.data == NULL) {
        refuse(builder, "term", "there is no term");
    } else if (begin(builder, "term", 0, term.size)) {
        builder->unsure = true; /* how deep is it? */
        npri_put_term(&builder->written, term);
    }
}

/* Gives `status` with the builder's own error. */
static npr_status report(const struct npr_builder *builder, struct npr_error *err)
{
    return npri_fail(err, builder->error.status, "%s", builder->error.text);
}

bool npri_builder_is_empty(const struct npr_builder *builder)
{
    return builder->calls == 0 && builder->written.size == 0 && builder->error.status == NPR_OK;
}

npr_status npr_builder_finish(struct npr_builder *builder,
                              struct npr_term *out,
                              struct npr_error *err)
{
    npr_status status;
    size_t used;

    if (builder == NULL || out == NULL) {
        return npri_fail(err, NPR_EINVAL, "no builder, or nowhere to put the term");
    }
    if (builder->error.status != NPR_OK) {
        return report(builder, err);
    }
    if (builder->written.failed) {
        return npri_fail(err, NPR_ENOMEM, "no memory for the term");
    }
    if (builder->missing > 0) {
        return npri_fail(err, NPR_EINVAL, "the term is not whole: at least %llu more must follow",
                         (unsigned long long)builder->missing);
    }
    if (!builder->unsure && builder->tuples <= PLAIN_TUPLES_MAX) {
        *out = (struct npr_term){.data = builder->written.data, .size = builder->written.size};
        return NPR_OK;
    }
    npri_buffer_reset(&builder->normal);
    status =
        npri_term_read(npri_buffer_bytes(&builder->written), &builder->normal, out, &used, err);
    if (status == NPR_ESYNTAX) { /* a map has a key twice: the caller's doing, not a peer's */
        status = NPR_EINVAL;
        if (err != NULL) {
            err->status = status;
        }
    }
    return status;
}

npr_status npri_builder_append(struct npr_builder *builder,
                               const char *call,
                               struct npr_bytes bytes,
                               npri_term_source *source,
                               struct npr_error *err)
{
    uint64_t missing;
    size_t size;
    npr_status status;

    if (builder == NULL || (bytes.data == NULL && bytes.size > 0)) {
        return npri_fail(err, NPR_EINVAL, "no builder, or no bytes");
    }
    missing = builder->missing;
    size = builder->written.size;
    builder->unsure = true;
    if (!begin(builder, call, 0, 0)) {
        return report(builder, err);
    }
    if (builder->written.failed) {
        return npri_fail(err, NPR_ENOMEM, "no memory for the term");
    }
    status = source(bytes, &builder->written, err);
    if (status == NPR_OK) {
        return NPR_OK;
    }
    builder->missing = missing;
    builder->written.size = size;
    builder->written.failed = false;
    return status;
}

void npri_builder_make(struct npr_builder *builder,
                       const char *call,
                       npri_term_maker *maker,
                       void *user)
{
    npr_status status;

    if (builder == NULL) {
        return;
    }
    builder->unsure = true;
    if (!begin(builder, call, 0, 0) || builder->written.failed) {
        return;
    }
    status = maker(user, &builder->written, &builder->error);
    if (status != NPR_OK) {
        (void)npri_fail_prefix(&builder->error, status,
                               "call %llu (%s): ", (unsigned long long)builder->calls, call);
    }
}

static npr_status decode(struct npr_bytes bytes, struct npri_buffer *out, struct npr_error *err)
{
    const size_t start = out->size;
    struct npr_term term;
    size_t used;
    npr_status status = npri_term_read_versioned(bytes, out, &term, &used, err);

    if (status != NPR_OK) {
        return status;
    }
    if (used != bytes.size) {
        return npri_fail(err, NPR_ESYNTAX, "offset %zu: more follows the term", used);
    }
    if (out->size == start) {
        npri_put_term(out, term);
    }
    return out->failed ? npri_fail(err, NPR_ENOMEM, "no memory for the term") : NPR_OK;
}

npr_status npr_term_decode(struct npr_bytes bytes,
                           struct npr_builder *builder,
                           struct npr_error *err)
{
    return npri_builder_append(builder, "decode", bytes, decode, err);
}
