#include "cookie.h"

#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX     4096
#define RANDOM_COOKIE_SIZE 20

static npr_status check_text(const char *path, char *text, size_t size, struct npr_error *err)
{
    while (size > 0 && strchr("\r\n ", text[size - 1]) != NULL) {
        size--;
    }
    text[size] = '\0';
    if (size == 0) {
        return fail(err, NPR_EINVAL, "cookie file %s is empty", path);
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return fail(err, NPR_EINVAL, "cookie file %s has a bad character at byte %zu", path, i);
        }
    }
    return NPR_OK;
}

static npr_status read_file(const char *path,
                            bool owner_only,
                            char out[COOKIE_BYTES_MAX + 1],
                            struct npr_error *err)
{
    char text[COOKIE_BYTES_MAX + 2]; /* One byte more, to notice one that is too long. */
    struct stat about;
    ssize_t size;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return fail(err, errno == ENOENT ? NPR_ENOTFOUND : NPR_EIO, "cookie file %s: %s", path,
                    strerror(errno));
    }
    if (fstat(fd, &about) == 0 && owner_only && (about.st_mode & 077) != 0) {
        (void)close(fd);
        return fail(err, NPR_EINVAL,
                    "cookie file %s must be accessible by its owner only: chmod 400", path);
    }
    size = read(fd, text, sizeof(text));
    (void)close(fd); /* Nothing was written. */
    if (size < 0) {
        return fail(err, NPR_EIO, "cookie file %s: %s", path, strerror(errno));
    }
    if ((size_t)size == sizeof(text)) {
        return fail(err, NPR_EINVAL, "cookie file %s is longer than %d bytes", path,
                    COOKIE_BYTES_MAX);
    }
    if (check_text(path, text, (size_t)size, err) != NPR_OK) {
        return err->status;
    }
    memcpy(out, text, strlen(text) + 1);
    return NPR_OK;
}

/* As Erlang does for a user who has none: twenty random capitals. */
static npr_status draw(char out[RANDOM_COOKIE_SIZE], struct npr_error *err)
{
    unsigned char random[RANDOM_COOKIE_SIZE];
    const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0) {
        return fail(err, NPR_EIO, "/dev/urandom: %s", strerror(errno));
    }
    size = read(fd, random, sizeof(random));
    (void)close(fd);
    if (size != (ssize_t)sizeof(random)) {
        return fail(err, NPR_EIO, "/dev/urandom gave too few bytes");
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        out[i] = (char)('A' + random[i] % 26);
    }
    return NPR_OK;
}

/* A new file beside `path`, readable by the owner only, with a cookie in it.  On failure there is
 * none. */
static npr_status write_beside(const char *path, char out[PATH_BYTES_MAX], struct npr_error *err)
{
    char text[RANDOM_COOKIE_SIZE];
    bool written;
    int fd;

    if (draw(text, err) != NPR_OK) {
        return err->status;
    }
    if (snprintf(out, PATH_BYTES_MAX, "%s.XXXXXX", path) >= PATH_BYTES_MAX) {
        return fail(err, NPR_EINVAL, "HOME is too long");
    }
    fd = mkstemp(out);
    if (fd < 0) {
        return fail(err, NPR_EIO, "cookie file %s: %s", path, strerror(errno));
    }
    written = fchmod(fd, 0400) == 0 && write(fd, text, sizeof(text)) == (ssize_t)sizeof(text);
    if (close(fd) != 0 || !written) {
        (void)unlink(out);
        return fail(err, NPR_EIO, "cookie file %s could not be written", path);
    }
    return NPR_OK;
}

/* Gives the file its name, unless another one has it.  Where the filesystem has no links it is
 * renamed, but never over another one: whoever has read that already would have a cookie of its
 * own.  Returns 0 or an errno. */
static int name_it(const char *from, const char *path)
{
    int failure = link(from, path) == 0 ? 0 : errno;

    if (failure == EPERM || failure == ENOSYS || failure == EOPNOTSUPP || failure == EMLINK) {
        failure = renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? 0 : errno;
    }
    return failure;
}

/* Whoever finds a file under `path` finds the whole cookie in it: many commands may be the first
 * ones at once, and all go on with the cookie of one of them. */
static npr_status create_file(const char *path, struct npr_error *err)
{
    char beside[PATH_BYTES_MAX];
    int failure;

    if (write_beside(path, beside, err) != NPR_OK) {
        return err->status;
    }
    failure = name_it(beside, path);
    (void)unlink(beside); /* ENOENT: it was renamed. */
    return failure == 0 || failure == EEXIST
               ? NPR_OK
               : fail(err, NPR_EIO, "cookie file %s could not be made: %s", path,
                      strerror(failure));
}

npr_status cookie_read(const char *file, char out[COOKIE_BYTES_MAX + 1], struct npr_error *err)
{
    const char *home = getenv("HOME");
    const char *config = getenv("XDG_CONFIG_HOME");
    char path[PATH_BYTES_MAX];
    char other[PATH_BYTES_MAX];
    npr_status status;

    if (file != NULL) {
        status = read_file(file, false, out, err);
        return status == NPR_ENOTFOUND ? fail(err, NPR_EINVAL, "no cookie file %s", file) : status;
    }
    if (home == NULL || home[0] == '\0') {
        return fail(err, NPR_EINVAL, "HOME is not set: give the cookie with --cookie-file");
    }
    (void)snprintf(path, sizeof(path), "%s/.erlang.cookie", home);
    status = read_file(path, true, out, err);
    if (status != NPR_ENOTFOUND) {
        return status;
    }
    if (config != NULL && config[0] != '\0') {
        (void)snprintf(other, sizeof(other), "%s/erlang/.erlang.cookie", config);
    } else {
        (void)snprintf(other, sizeof(other), "%s/.config/erlang/.erlang.cookie", home);
    }
    status = read_file(other, true, out, err);
    if (status != NPR_ENOTFOUND) {
        return status;
    }
    status = create_file(path, err);
    return status == NPR_OK ? read_file(path, true, out, err) : status;
}
