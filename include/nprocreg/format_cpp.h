/* nprocreg/format_cpp.h - the macros of nprocreg/format.h for C++17.  Include that one. */
#ifndef NPROCREG_FORMAT_CPP_H
#define NPROCREG_FORMAT_CPP_H

#include "nprocreg/format.h"

#ifdef __cplusplus
#include <type_traits>

#define NPR_BUILD(builder, ...) npr_build_each((builder), __VA_ARGS__)
#define NPR_MATCH(term, ...)    npr_match_each((term), __VA_ARGS__)

template <class T> struct npr_value npr_value_of(const T &x)
{
    using type = std::decay_t<T>;

    if constexpr (std::is_floating_point_v<type>) {
        static_assert(sizeof(type) <= sizeof(double), "Erlang's floats are doubles");
        return npr_value_double(x);
    } else if constexpr (std::is_integral_v<type>) {
        static_assert(!std::is_same_v<type, bool>, "no letter takes a bool");
        if constexpr (std::is_signed_v<type>) {
            return npr_value_int(x);
        } else {
            return npr_value_uint(x);
        }
    } else if constexpr (std::is_same_v<type, struct npr_bytes>) {
        return npr_value_bytes(x);
    } else if constexpr (std::is_same_v<type, struct npr_term>) {
        return npr_value_term(x);
    } else if constexpr (std::is_convertible_v<type, const struct npr_pid *>) {
        return npr_value_pid(x);
    } else if constexpr (std::is_convertible_v<type, const struct npr_ref *>) {
        return npr_value_ref(x);
    } else {
        static_assert(std::is_convertible_v<type, const char *>, "no letter takes this type");
        return npr_value_text(x);
    }
}

template <class T> struct npr_slot npr_slot_of(T *out)
{
    enum npr_slot_kind kind = NPR_SLOT_TERM;

    if constexpr (std::is_integral_v<T>) {
        static_assert(sizeof(T) == 4 || sizeof(T) == 8, "an integer of 32 or 64 bits");
        if constexpr (std::is_signed_v<T>) {
            kind = sizeof(T) == 8 ? NPR_SLOT_INT64 : NPR_SLOT_INT32;
        } else {
            kind = sizeof(T) == 8 ? NPR_SLOT_UINT64 : NPR_SLOT_UINT32;
        }
    } else if constexpr (std::is_same_v<T, double>) {
        kind = NPR_SLOT_DOUBLE;
    } else if constexpr (std::is_same_v<T, struct npr_bytes>) {
        kind = NPR_SLOT_BYTES;
    } else if constexpr (std::is_same_v<T, struct npr_pid>) {
        kind = NPR_SLOT_PID;
    } else if constexpr (std::is_same_v<T, struct npr_ref>) {
        kind = NPR_SLOT_REF;
    } else if constexpr (std::is_same_v<T, struct npr_term_walk>) {
        kind = NPR_SLOT_WALK;
    } else {
        static_assert(std::is_same_v<T, struct npr_term>, "no letter gives this type");
    }
    return npr_slot_to(kind, out);
}

template <class... T>
void npr_build_each(struct npr_builder *builder, const char *format, const T &...x)
{
    const struct npr_value values[] = {npr_value_of(x)..., {}};

    npr_build_format(builder, format, values);
}

template <class... T> bool npr_match_each(struct npr_term term, const char *pattern, T *...out)
{
    const struct npr_slot slots[] = {npr_slot_of(out)..., {}};

    return npr_term_match(term, pattern, slots, nullptr) == NPR_OK;
}
#endif

#endif /* NPROCREG_FORMAT_CPP_H */
