/* hostile_peer CASE PORT COOKIE-FILE VICTIM: misbehaves towards the node at that port in one way.
 * hostile_peer.sh looks what became of the node. */
#include "system/hostile_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void expect(bool holds, const char *what)
{
    if (!holds) {
        (void)printf("expected: %s\n", what);
        exit(1);
    }
}

void open_rogue(struct rogue *rogue, const struct target *target)
{
    expect(rogue_open(rogue, target->port, ROGUE_NAME, target->cookie), "a handshake");
}

static const struct hostile_case *find(const struct hostile_case *cases, const char *name)
{
    while (cases->name != NULL && strcmp(cases->name, name) != 0) {
        cases++;
    }
    return cases->name == NULL ? NULL : cases;
}

static bool read_cookie(const char *path, char *out, int out_size)
{
    FILE *file = fopen(path, "r");
    const bool read = file != NULL && fgets(out, out_size, file) != NULL;

    if (file != NULL) {
        (void)fclose(file);
    }
    out[strcspn(out, "\n")] = '\0';
    return read;
}

int main(int argc, char **argv)
{
    static const struct hostile_case *const all[] = {
        hostile_streams, hostile_messages, hostile_registries, hostile_watchers, hostile_natives};
    const struct hostile_case *found = NULL;
    struct target target = {0};

    if (argc != 5 || !read_cookie(argv[3], target.cookie, sizeof(target.cookie))) {
        (void)fprintf(stderr, "usage: hostile_peer CASE PORT COOKIE-FILE VICTIM\n");
        return 2;
    }
    target.port = (uint16_t)strtoul(argv[2], NULL, 10);
    target.victim = argv[4];
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && found == NULL; i++) {
        found = find(all[i], argv[1]);
    }
    if (found == NULL) {
        (void)fprintf(stderr, "no such case: %s\n", argv[1]);
        return 2;
    }
    found->run(&target);
    return 0;
}
