/* For LD_PRELOAD: whoever writes what is as long as a cookie stays in the middle of it for a while,
 * as on a busy machine, so that others find what is there by then. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define COOKIE_BYTES 20
#define WAIT_NS      200000000L

/* The libc's own, in all but the wait.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): its names are the libc's. */
__attribute__((visibility("default"))) ssize_t write(int fd, const void *bytes, size_t size)
{
    if (size == COOKIE_BYTES) {
        (void)nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
    }
    return (ssize_t)syscall(SYS_write, fd, bytes, size);
}
