/* Runs a fuzzer on stored inputs, without libFuzzer:  NAME_replay FILE-OR-DIRECTORY...
 *
 * An empty directory fails: a corpus that is not found must not pass for one without findings. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#define PATH_BYTES_MAX 4096

/* Each input has memory of its exact size, so that a sanitizer sees a read behind its end. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    size = ftell(file);
    rewind(file);
    data = malloc(size > 0 ? (size_t)size : 1);
    if (size < 0 || data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        perror(path);
        exit(1);
    }
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 1;
}

static int replay(const char *path)
{
    struct stat status;
    struct dirent *entry;
    int count = 0;
    DIR *directory;

    if (stat(path, &status) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(status.st_mode)) {
        return replay_file(path);
    }
    directory = opendir(path);
    if (directory == NULL) {
        perror(path);
        exit(1);
    }
    while ((entry = readdir(directory)) != NULL) {
        char inner[PATH_BYTES_MAX];

        if (entry->d_name[0] != '.') {
            (void)snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
            count += replay(inner);
        }
    }
    (void)closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++) {
        count += replay(argv[i]);
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
