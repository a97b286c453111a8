/* cli/cookie.h - the cluster's shared secret, by Erlang's conventions. */
#ifndef NPR_CLI_COOKIE_H
#define NPR_CLI_COOKIE_H

#include "nprocreg/error.h"

#define COOKIE_BYTES_MAX 255

/* Reads the cookie into `out`, NUL-terminated.  With `file` NULL it is ~/.erlang.cookie, else
 * $XDG_CONFIG_HOME/erlang/.erlang.cookie (kernel's auth module): it must be accessible by its owner
 * only, and is made, with a random cookie, when there is none; of many that do so at once all get
 * the same.  Returns NPR_OK, NPR_EINVAL (its contents or permissions), NPR_EIO. */
NPR_NODISCARD npr_status cookie_read(const char *file,
                                     char out[COOKIE_BYTES_MAX + 1],
                                     struct npr_error *err);

#endif /* NPR_CLI_COOKIE_H */
