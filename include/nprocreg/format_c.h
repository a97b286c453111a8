/* nprocreg/format_c.h - the macros of nprocreg/format.h for C.  Include that one. */
#ifndef NPROCREG_FORMAT_C_H
#define NPROCREG_FORMAT_C_H

#include "nprocreg/format.h"

#ifndef __cplusplus

#define NPR_BUILD(builder, ...)                                                                    \
    npr_build_format((builder), NPR_FORMAT_FIRST(__VA_ARGS__, 0),                                  \
                     (const struct npr_value[]){                                                   \
                         NPR_FORMAT_EACH(NPR_VALUE_OF, __VA_ARGS__){.kind = NPR_VALUE_END}})

#define NPR_MATCH(term, ...)                                                                       \
    (npr_term_match((term), NPR_FORMAT_FIRST(__VA_ARGS__, 0),                                      \
                    (const struct npr_slot[]){                                                     \
                        NPR_FORMAT_EACH(NPR_SLOT_OF, __VA_ARGS__){.kind = NPR_SLOT_END}},          \
                    NULL) == NPR_OK)

#define NPR_VALUE_OF(x)                                                                            \
    _Generic((x),                                                                                  \
        char: npr_value_int,                                                                       \
        signed char: npr_value_int,                                                                \
        short: npr_value_int,                                                                      \
        int: npr_value_int,                                                                        \
        long: npr_value_int,                                                                       \
        long long: npr_value_int,                                                                  \
        unsigned char: npr_value_uint,                                                             \
        unsigned short: npr_value_uint,                                                            \
        unsigned: npr_value_uint,                                                                  \
        unsigned long: npr_value_uint,                                                             \
        unsigned long long: npr_value_uint,                                                        \
        float: npr_value_double,                                                                   \
        double: npr_value_double,                                                                  \
        char *: npr_value_text,                                                                    \
        const char *: npr_value_text,                                                              \
        struct npr_bytes: npr_value_bytes,                                                         \
        struct npr_pid *: npr_value_pid,                                                           \
        const struct npr_pid *: npr_value_pid,                                                     \
        struct npr_ref *: npr_value_ref,                                                           \
        const struct npr_ref *: npr_value_ref,                                                     \
        struct npr_term: npr_value_term)(x)

#define NPR_SLOT_OF(x)                                                                             \
    npr_slot_to(_Generic((x),                                                                      \
                    int *: NPR_SLOT_INT32,                                                         \
                    unsigned *: NPR_SLOT_UINT32,                                                   \
                    long *: sizeof(long) == 8 ? NPR_SLOT_INT64 : NPR_SLOT_INT32,                   \
                    unsigned long *: sizeof(long) == 8 ? NPR_SLOT_UINT64 : NPR_SLOT_UINT32,        \
                    long long *: NPR_SLOT_INT64,                                                   \
                    unsigned long long *: NPR_SLOT_UINT64,                                         \
                    double *: NPR_SLOT_DOUBLE,                                                     \
                    struct npr_bytes *: NPR_SLOT_BYTES,                                            \
                    struct npr_pid *: NPR_SLOT_PID,                                                \
                    struct npr_ref *: NPR_SLOT_REF,                                                \
                    struct npr_term *: NPR_SLOT_TERM,                                              \
                    struct npr_term_walk *: NPR_SLOT_WALK),                                        \
                (x))

/* NPR_FORMAT_EACH(X, text, a, b) is `X(a), X(b),`; NPR_FORMAT_EACH(X, text) is nothing. */
#define NPR_FORMAT_FIRST(first, ...) first
#define NPR_FORMAT_EACH(X, ...)                                                                    \
    NPR_FORMAT_JOIN(NPR_FORMAT_EACH_,                                                              \
                    NPR_FORMAT_COUNT(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0))    \
    (X, __VA_ARGS__)
#define NPR_FORMAT_COUNT(text, a, b, c, d, e, f, g, h, i, j, k, l, count, ...) count
/* After their arguments are expanded. */
#define NPR_FORMAT_JOIN(a, b)   NPR_FORMAT_JOINED(a, b)
#define NPR_FORMAT_JOINED(a, b) a##b
#define NPR_FORMAT_EACH_0(X, text)
#define NPR_FORMAT_EACH_1(X, text, a)       X(a),
#define NPR_FORMAT_EACH_2(X, text, a, ...)  X(a), NPR_FORMAT_EACH_1(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_3(X, text, a, ...)  X(a), NPR_FORMAT_EACH_2(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_4(X, text, a, ...)  X(a), NPR_FORMAT_EACH_3(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_5(X, text, a, ...)  X(a), NPR_FORMAT_EACH_4(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_6(X, text, a, ...)  X(a), NPR_FORMAT_EACH_5(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_7(X, text, a, ...)  X(a), NPR_FORMAT_EACH_6(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_8(X, text, a, ...)  X(a), NPR_FORMAT_EACH_7(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_9(X, text, a, ...)  X(a), NPR_FORMAT_EACH_8(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_10(X, text, a, ...) X(a), NPR_FORMAT_EACH_9(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_11(X, text, a, ...) X(a), NPR_FORMAT_EACH_10(X, text, __VA_ARGS__)
#define NPR_FORMAT_EACH_12(X, text, a, ...) X(a), NPR_FORMAT_EACH_11(X, text, __VA_ARGS__)

#endif

#endif /* NPROCREG_FORMAT_C_H */
