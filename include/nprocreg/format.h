/* nprocreg/format.h - terms built, and taken apart, by a text with places in it.
 *
 *      NPR_BUILD(builder, "{user,~i,[~b|~t]}", 42, "name", rest);
 *      if (NPR_MATCH(request, "{add,~i}", &value)) { ... }
 *
 * The text is an Erlang term as npr_term_parse() takes it, with `~` and a letter at each place:
 *
 *      ~a       atom             built of text                    gives struct npr_bytes
 *      ~b       binary           built of text                    gives struct npr_bytes
 *      ~s       string           built of text                    -
 *      ~i ~l ~u integer          built of any type of integer     gives any of int32_t to uint64_t
 *      ~d ~f    float            built of double or float         gives double
 *      ~p       pid              built of struct npr_pid *        gives struct npr_pid
 *      ~r       reference        built of struct npr_ref *        gives struct npr_ref
 *      ~t       any term         built of struct npr_term         gives struct npr_term
 *      ~w       list             -                                gives struct npr_term_walk
 *
 * where text is const char * (UTF-8) or struct npr_bytes.  The letters that several share mean the
 * same: the type of the argument says how wide it is.
 *
 * Checked: __attribute__((format)) knows only printf's letters and the like, so these are macros
 * (in C++: templates) that hand over each argument with its type.  An argument of a type that no
 * letter takes does not compile.  One of the wrong type for its letter, too many or too few of
 * them, and a malformed text are NPR_EINVAL with the offset in the text; nothing is read or written
 * by a wrong type.  In C at most 12 arguments follow the text.
 *
 * Threads: as nprocreg/term.h.  Nothing here blocks. */
#ifndef NPROCREG_FORMAT_H
#define NPROCREG_FORMAT_H

#include "nprocreg/term.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One argument of NPR_BUILD.  Borrows what it points to. */
enum npr_value_kind {
    NPR_VALUE_END, /* follows the last one */
    NPR_VALUE_INT,
    NPR_VALUE_UINT,
    NPR_VALUE_DOUBLE,
    NPR_VALUE_BYTES, /* text is one too */
    NPR_VALUE_PID,
    NPR_VALUE_REF,
    NPR_VALUE_TERM,
};

struct npr_value {
    enum npr_value_kind kind;
    union {
        int64_t i;
        uint64_t u;
        double d;
        struct npr_bytes bytes;
        const struct npr_pid *pid;
        const struct npr_ref *ref;
        struct npr_term term;
    } as;
};

/* One argument of NPR_MATCH: where to put what was found. */
enum npr_slot_kind {
    NPR_SLOT_END, /* follows the last one */
    NPR_SLOT_INT32,
    NPR_SLOT_UINT32,
    NPR_SLOT_INT64,
    NPR_SLOT_UINT64,
    NPR_SLOT_DOUBLE,
    NPR_SLOT_BYTES,
    NPR_SLOT_PID,
    NPR_SLOT_REF,
    NPR_SLOT_TERM,
    NPR_SLOT_WALK,
};

struct npr_slot {
    enum npr_slot_kind kind;
    void *out;
};

/* NPR_BUILD(builder, format, ...): appends the term that `format` says to `builder`, as one
 * element.  Errors stick in the builder like those of every npr_build call, and
 * npr_builder_finish() reports them: NPR_EINVAL (the format or an argument), NPR_EFULL, NPR_ENOMEM.
 *
 * The function behind it, for values that are collected otherwise: `values` ends with an
 * NPR_VALUE_END. */
NPR_API void npr_build_format(struct npr_builder *builder,
                              const char *format,
                              const struct npr_value *values);

/* NPR_MATCH(term, pattern, ...): whether `term` looks like `pattern`; then all arguments are set,
 * else none.  What they get borrows from `term`.
 *
 * A pattern has tuples, lists, maps and places; atoms, integers of up to 64 bits, strings and
 * binaries written <<"text">>, which must be equal; and _, which is any term.  An integer that does
 * not fit its argument does not match.  [~i,~i|_] is a list that begins so, [~a|~w] gives a walk
 * over the rest.  #{key := ~i} is a map that has the key, and perhaps others.  No memory is
 * allocated.
 *
 * The function behind it says more: NPR_OK, NPR_ENOTFOUND (it does not match), or NPR_EINVAL
 * (whatever the term, the pattern or a slot is wrong).  `slots` ends with an NPR_SLOT_END. */
NPR_API NPR_NODISCARD npr_status npr_term_match(struct npr_term term,
                                                const char *pattern,
                                                const struct npr_slot *slots,
                                                struct npr_error *err);

/* One value or slot of each type; the macros choose among them. */
static inline struct npr_value npr_value_int(int64_t i)
{
    struct npr_value value;

    value.kind = NPR_VALUE_INT;
    value.as.i = i;
    return value;
}

static inline struct npr_value npr_value_uint(uint64_t u)
{
    struct npr_value value;

    value.kind = NPR_VALUE_UINT;
    value.as.u = u;
    return value;
}

static inline struct npr_value npr_value_double(double d)
{
    struct npr_value value;

    value.kind = NPR_VALUE_DOUBLE;
    value.as.d = d;
    return value;
}

static inline struct npr_value npr_value_bytes(struct npr_bytes bytes)
{
    struct npr_value value;

    value.kind = NPR_VALUE_BYTES;
    value.as.bytes = bytes;
    return value;
}

/* NULL is no text: the call is refused. */
NPR_API struct npr_value npr_value_text(const char *text);

static inline struct npr_value npr_value_pid(const struct npr_pid *pid)
{
    struct npr_value value;

    value.kind = NPR_VALUE_PID;
    value.as.pid = pid;
    return value;
}

static inline struct npr_value npr_value_ref(const struct npr_ref *ref)
{
    struct npr_value value;

    value.kind = NPR_VALUE_REF;
    value.as.ref = ref;
    return value;
}

static inline struct npr_value npr_value_term(struct npr_term term)
{
    struct npr_value value;

    value.kind = NPR_VALUE_TERM;
    value.as.term = term;
    return value;
}

static inline struct npr_slot npr_slot_to(enum npr_slot_kind kind, void *out)
{
    struct npr_slot slot;

    slot.kind = kind;
    slot.out = out;
    return slot;
}

#ifdef __cplusplus
}
#include "nprocreg/format_cpp.h"
#else
#include "nprocreg/format_c.h"
#endif
#endif /* NPROCREG_FORMAT_H */
