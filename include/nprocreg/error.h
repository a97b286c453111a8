/* nprocreg/error.h - how calls fail.
 *
 * A call returns NPR_OK (0) or a negative npr_status; on failure every out parameter is left as it
 * was.  A call that can name a cause takes `struct npr_error *err` last; it may be NULL.  Nothing
 * here is kept per thread, and nothing here logs.
 *
 * Misuse is answered as far as it can be seen.  Where something is needed and NULL (or no term, or
 * no bytes) is given, a call that returns a status returns NPR_EINVAL; any other returns false, 0,
 * NULL or an empty value, or does nothing.  A process that is used where it does not run
 * (nprocreg/process.h) is answered likewise, and so is a call that would block a node's own thread.
 *
 * Not seen, and so undefined: an object that has been destroyed; memory that is not what its type
 * says; a struct npr_term that no function of this library has given out (npr_term_decode() checks
 * bytes of any origin), or whose memory has gone. */
#ifndef NPROCREG_ERROR_H
#define NPROCREG_ERROR_H

#include "nprocreg/version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name, value, text.  "Not found", "timed out" and "refused" are different answers everywhere and
 * never turn into each other. */
#define NPR_STATUS_MAP(X)                                                                          \
    X(OK, 0, "done")                                                                               \
    X(EINVAL, -1, "invalid argument")                                                              \
    X(ENOMEM, -2, "out of memory")                                                                 \
    X(ENOTFOUND, -3, "not found")                                                                  \
    X(EUNREACHABLE, -4, "node unreachable")                                                        \
    X(ETIMEDOUT, -5, "timed out")                                                                  \
    X(EREFUSED, -6, "refused")                                                                     \
    X(EFULL, -7, "limit reached")                                                                  \
    X(ECLOSED, -8, "closed")                                                                       \
    X(EPROTO, -9, "peer broke the protocol")                                                       \
    X(EAUTH, -10, "wrong cookie")                                                                  \
    X(ESYNTAX, -11, "malformed input")                                                             \
    X(EEXIST, -12, "already exists")                                                               \
    X(EADDRINUSE, -13, "address in use")                                                           \
    X(EIO, -14, "input/output error")                                                              \
    X(ENOPROC, -15, "no such process")                                                             \
    X(EEXIT, -16, "process exited")

typedef enum npr_status {
#define NPR_STATUS_ENUM(name, value, text) NPR_##name = (value),
    NPR_STATUS_MAP(NPR_STATUS_ENUM)
#undef NPR_STATUS_ENUM
} npr_status;

/* Bytes of npr_error.text, with the terminator; a longer text is cut. */
#define NPR_ERROR_TEXT_BYTES 320

/* Why a call failed, in words that its user can act on.  Meaningful only after a failure. */
struct npr_error {
    npr_status status;
    char text[NPR_ERROR_TEXT_BYTES];
};

/* The fixed text of a status, e.g. "timed out"; "unknown status" for any other number.  Static
 * storage; any thread; does not block. */
NPR_API const char *npr_status_text(npr_status status);

/* The name of a status, e.g. "ETIMEDOUT"; "EUNKNOWN" for any other number.  As npr_status_text().
 */
NPR_API const char *npr_status_name(npr_status status);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_ERROR_H */
