/* nprocreg/term.h - Erlang terms: taken apart, built, read from text and printed.
 *
 * A `struct npr_term` is a borrowed view of one whole term in Erlang's external format
 * (https://www.erlang.org/doc/apps/erts/erl_ext_dist.html) without the version byte 131.  Every
 * term that the library hands out has been checked: the functions here do not fail on such a term
 * for reasons of its encoding.  To make one from bytes of your own, use npr_term_decode().
 *
 * Views nest: the elements of a term live exactly as long as the bytes of the whole.
 *
 * Threads: all functions may be called from any thread; one builder belongs to one thread at a
 * time.  Nothing here blocks. */
#ifndef NPROCREG_TERM_H
#define NPROCREG_TERM_H

#include "nprocreg/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One checked term, borrowed.  `data == NULL` stands for "no term". */
struct npr_term {
    const uint8_t *data;
    size_t size;
};

/* In Erlang's order of types (number < atom < reference < ... < bitstring). */
enum npr_term_kind {
    NPR_TERM_NONE, /* no term */
    NPR_TERM_INTEGER,
    NPR_TERM_FLOAT,
    NPR_TERM_ATOM,
    NPR_TERM_REF,
    NPR_TERM_FUN, /* both `fun m:f/a` and closures */
    NPR_TERM_PORT,
    NPR_TERM_PID,
    NPR_TERM_TUPLE,
    NPR_TERM_MAP,
    NPR_TERM_NIL,
    NPR_TERM_LIST,   /* not empty; proper or not */
    NPR_TERM_BINARY, /* whole bytes */
    NPR_TERM_BITSTRING,
};

/* ---- Taking apart.  Each `get` returns false, and leaves `out` alone, when the term is of another
 * kind or the value does not fit. */

NPR_API enum npr_term_kind npr_term_kind(struct npr_term term);
NPR_API bool npr_term_get_int64(struct npr_term term, int64_t *out);
NPR_API bool npr_term_get_uint64(struct npr_term term, uint64_t *out);
NPR_API bool npr_term_get_double(struct npr_term term, double *out); /* floats only */
NPR_API bool npr_term_get_atom(struct npr_term term, struct npr_bytes *out_utf8);
NPR_API bool npr_term_get_binary(struct npr_term term, struct npr_bytes *out);
NPR_API bool npr_term_get_pid(struct npr_term term, struct npr_pid *out);
NPR_API bool npr_term_get_ref(struct npr_term term, struct npr_ref *out);

/* `fun m:f/a` only; false for a closure. */
NPR_API bool npr_term_get_export(struct npr_term term,
                                 struct npr_bytes *out_module,
                                 struct npr_bytes *out_function,
                                 uint32_t *out_arity);

/* Whether `term` is the atom `name`. */
NPR_API bool npr_term_is_atom(struct npr_term term, const char *name);

/* Walks the elements of one tuple, list or map.  Make it with npr_term_tuple(), _list() or _map();
 * the fields are private.  Copying a walk is allowed and gives an independent one. */
struct npr_term_walk {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t left; /* terms still to come, without a tail */
    uint8_t form;
};

NPR_API bool npr_term_tuple(struct npr_term term, struct npr_term_walk *out, uint32_t *out_arity);
NPR_API bool npr_term_list(struct npr_term term, struct npr_term_walk *out); /* also of [] */

/* Walks key, value, key, value...; `*out_pairs` is the number of pairs. */
NPR_API bool npr_term_map(struct npr_term term, struct npr_term_walk *out, uint32_t *out_pairs);

/* The next element; false at the end. */
NPR_API bool npr_term_next(struct npr_term_walk *walk, struct npr_term *out);

/* After the last element of a list: its tail ([] for a proper list).  False before the end, and for
 * tuples and maps. */
NPR_API bool npr_term_tail(struct npr_term_walk *walk, struct npr_term *out);

/* Takes a tuple of exactly `arity` elements apart into `out[0..arity-1]`. */
NPR_API bool npr_term_get_tuple(struct npr_term term, uint32_t arity, struct npr_term *out);

/* The value under the atom `name` in a map; false when the term is no map or lacks it. */
NPR_API bool npr_term_map_get(struct npr_term map, const char *name, struct npr_term *out);

/* ---- Comparing. */

/* Exact equality, Erlang's =:= of OTP 27 (1 and 1.0 differ; 0.0 and -0.0 differ). */
NPR_API bool npr_term_equal(struct npr_term a, struct npr_term b);

/* Erlang's term order: <0, 0, >0.  1 and 1.0 compare as 0. */
NPR_API int npr_term_compare(struct npr_term a, struct npr_term b);

/* A hash that agrees with npr_term_equal().  Not stable across versions of the library. */
NPR_API uint64_t npr_term_hash(struct npr_term term);

/* ---- Building. */

/* Builds one term front to back: a tuple, list or map is a header with its number of elements,
 * followed by the elements.  (nprocreg/format.h builds whole ones by a text with places in it.)
 * Errors stick: the first one is reported by npr_builder_finish(), so that calls in between need no
 * checks. */
struct npr_builder;

/* A new empty builder, owned by the caller; NULL when out of memory. */
NPR_API NPR_NODISCARD struct npr_builder *npr_builder_create(void);
NPR_API void npr_builder_destroy(struct npr_builder *builder); /* accepts NULL */

/* Makes it empty again and keeps its memory; terms that it gave out end here. */
NPR_API void npr_builder_reset(struct npr_builder *builder);

NPR_API void npr_build_int(struct npr_builder *builder, int64_t value);
NPR_API void npr_build_uint(struct npr_builder *builder, uint64_t value);
NPR_API void npr_build_double(struct npr_builder *builder, double value); /* finite, else EINVAL */
NPR_API void npr_build_atom(struct npr_builder *builder, const char *utf8);
NPR_API void npr_build_atom_bytes(struct npr_builder *builder, struct npr_bytes utf8);
NPR_API void npr_build_binary(struct npr_builder *builder, struct npr_bytes bytes);
NPR_API void npr_build_text(struct npr_builder *builder, const char *utf8); /* as a binary */
NPR_API void npr_build_string(struct npr_builder *builder,
                              const char *utf8); /* list of code points */
NPR_API void npr_build_pid(struct npr_builder *builder, const struct npr_pid *pid);
NPR_API void npr_build_ref(struct npr_builder *builder, const struct npr_ref *ref);
NPR_API void npr_build_export(struct npr_builder *builder,
                              const char *module,
                              const char *function,
                              uint8_t arity);
NPR_API void npr_build_tuple(struct npr_builder *builder, uint32_t arity);

/* A list of `count` elements: write them, then npr_build_nil() or an improper tail.  With count 0
 * write only the tail. */
NPR_API void npr_build_list(struct npr_builder *builder, uint32_t count);
NPR_API void npr_build_nil(struct npr_builder *builder);
NPR_API void npr_build_map(struct npr_builder *builder, uint32_t pairs);
NPR_API void npr_build_term(struct npr_builder *builder, struct npr_term term); /* copies */

/* The finished term: exactly one, whole.  It borrows the builder's memory until the next call on
 * the builder.  Returns NPR_OK, NPR_EINVAL (not one whole term, or an earlier call was wrong; `err`
 * says which), NPR_ENOMEM, or NPR_EFULL (over 64 MiB). */
NPR_API NPR_NODISCARD npr_status npr_builder_finish(struct npr_builder *builder,
                                                    struct npr_term *out,
                                                    struct npr_error *err);

/* ---- Bytes and text. */

/* Which release's term_to_binary to agree with: they differ in how atoms are written. */
enum npr_otp {
    NPR_OTP_26, /* OTP 26 and later: atoms as SMALL_ATOM_UTF8_EXT / ATOM_UTF8_EXT */
    NPR_OTP_25, /* up to OTP 25: atoms as ATOM_EXT (Latin-1) where they fit it */
};

/* Reads one term from `bytes`, which begin with 131 and hold nothing after it, and appends it to
 * `builder` as one element, in normal form.  Returns NPR_OK, NPR_ESYNTAX (`err` names the offset
 * and the fault), NPR_EFULL (over the library's limits of size or depth) or NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_term_decode(struct npr_bytes bytes,
                                                 struct npr_builder *builder,
                                                 struct npr_error *err);

/* Appends to `out` the bytes that term_to_binary of that release gives, from 131 on.  `*out` is
 * allocated with malloc and belongs to the caller; it is set only on NPR_OK.  Also NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_term_encode(struct npr_term term,
                                                 enum npr_otp otp,
                                                 uint8_t **out,
                                                 size_t *out_size);

/* Reads one term written as in an Erlang shell (a final "." may follow) and appends it to `builder`
 * as one element.  A pid is written <node.id.serial>, e.g. <a@host.85.0>; its creation is 0.
 * Returns NPR_OK, NPR_ESYNTAX (`err` names the offset and the fault), NPR_EFULL or NPR_ENOMEM. */
NPR_API NPR_NODISCARD npr_status npr_term_parse(struct npr_bytes text,
                                                struct npr_builder *builder,
                                                struct npr_error *err);

/* Prints `term` on one line as io_lib:format("~0tp") does.  What it returns is NUL-terminated,
 * allocated with malloc and belongs to the caller; NULL when out of memory, and for no term. */
NPR_API NPR_NODISCARD char *npr_term_print(struct npr_term term);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_TERM_H */
