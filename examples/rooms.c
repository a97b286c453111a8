/* rooms.c - a chat: one process for each room of the cluster, opened by who enters it first.
 *
 *      rooms NAME@HOST COOKIE IDLE_MS [NODE@HOST]...
 *
 * is a node, connected to the others, that reads lines:
 *
 *      enter ROOM WHO        WHO enters; what is said there is printed here from now on
 *      say ROOM WHO TEXT
 *
 * A room that crashes is opened again in its place; when the program that has it is killed, on
 * another node: whoever was in it enters again.  One where nothing happens for IDLE_MS closes.
 * `nprocreg call '{room,<<"lobby">>}' count` tells how many are in it; any other call crashes it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nprocreg/nprocreg.h"

#define TIMEOUT_MS 5000
#define RETRY_MS   200
#define NAME_BYTES 64

/* What has been built; no term when that failed, which whoever is given it refuses. */
static struct npr_term term_of(struct npr_builder *built)
{
    struct npr_term term = {0};

    return npr_builder_finish(built, &term, NULL) == NPR_OK ? term : (struct npr_term){0};
}

/* ---- A room: who is in it, and the monitors that tell of their ends. */

struct seat {
    struct npr_pid pid;
    struct npr_ref ref;
};

struct room {
    struct seat *seats;
    size_t count;
};

static npr_status room_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct room *room = state;
    npr_status status = NPR_OK;
    struct npr_pid pid;
    struct npr_ref ref;

    if (NPR_MATCH(message, "{enter,~p}", &pid)) {
        struct seat *seats = realloc(room->seats, (room->count + 1) * sizeof(*seats));

        if (seats == NULL) {
            return NPR_ENOMEM; /* ends the room with {error,enomem} */
        }
        room->seats = seats;
        seats[room->count].pid = pid;
        return npr_monitor(self, &pid, &seats[room->count++].ref);
    }
    for (size_t i = 0; i < room->count && status == NPR_OK; i++) {
        if (NPR_MATCH(message, "{said,_,_}")) {
            status = npr_send(self, &room->seats[i].pid, message);
        } else if (NPR_MATCH(message, "{'DOWN',~r,_,_,_}", &ref) &&
                   npr_ref_equal(&room->seats[i].ref, &ref)) {
            room->seats[i] = room->seats[--room->count];
        }
    }
    return status;
}

static npr_status room_call(struct npr_process *self,
                            void *state,
                            const struct npr_from *from,
                            struct npr_term request)
{
    const struct room *room = state;
    struct npr_builder *built = npr_scratch(self);

    if (!NPR_MATCH(request, "count")) {
        return NPR_EINVAL; /* ends it with {error,einval} */
    }
    NPR_BUILD(built, "~u", room->count);
    return npr_reply(self, from, term_of(built));
}

static void room_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)reason;
    free(((struct room *)state)->seats);
}

static struct npr_behaviour room_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct room),
    .call = room_call,
    .info = room_info,
    .terminate = room_terminate,
    .restart = NPR_RESTART_TRANSIENT, /* after a crash, not when it was idle */
    .idle_ms = 0,                     /* main() sets it */
};

static const struct npr_function functions[] = {{.name = "open", .behaviour = &room_behaviour}};
static const struct npr_module rooms = {.abi = NPR_MODULE_ABI,
                                        .name = "rooms",
                                        .functions = functions,
                                        .functions_count = 1};
static const struct npr_module *const modules[] = {&rooms};

/* ---- A member: a process beside the terminal that finds the room, and prints what it hears. */

struct member {
    char room[NAME_BYTES];
    char who[NAME_BYTES];
};

/* The answer comes as a message. */
static npr_status member_find_room(struct npr_process *self, const struct member *member)
{
    const struct npr_start start = {.module = "rooms", .function = "open"};
    struct npr_builder *built = npr_scratch(self);
    struct npr_ref ref;

    NPR_BUILD(built, "{room,~b}", member->room);
    return npr_get(self, term_of(built), &start, TIMEOUT_MS, &ref);
}

static npr_status member_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct member *member = state;
    struct npr_bytes room;
    struct npr_bytes who;

    if (!NPR_MATCH(args, "[~b,~b]", &room, &who)) {
        return NPR_EINVAL;
    }
    (void)snprintf(member->room, NAME_BYTES, "%.*s", (int)room.size, (const char *)room.data);
    (void)snprintf(member->who, NAME_BYTES, "%.*s", (int)who.size, (const char *)who.data);
    return member_find_room(self, member);
}

static npr_status member_info(struct npr_process *self, void *state, struct npr_term message)
{
    const struct member *member = state;
    const struct npr_pid pid = npr_self(self);
    struct npr_builder *built = npr_scratch(self);
    struct npr_bytes who;
    struct npr_bytes text;
    struct npr_pid room;
    struct npr_ref ref;
    npr_status status;

    if (NPR_MATCH(message, "{said,~b,~b}", &who, &text)) {
        (void)printf("[%s] %.*s: %.*s\n", member->who, (int)who.size, (const char *)who.data,
                     (int)text.size, (const char *)text.data);
    } else if (NPR_MATCH(message, "{nprocreg,_,{ok,~p,_,_}}", &room)) {
        (void)printf("[%s] in %s on %.*s\n", member->who, member->room, (int)room.node.size,
                     room.node.text);
        NPR_BUILD(built, "{enter,~p}", &pid);
        status = npr_monitor(self, &room, &ref);
        return status == NPR_OK ? npr_send(self, &room, term_of(built)) : status;
    } else if (NPR_MATCH(message, "{'DOWN',_,_,_,normal}")) {
        (void)printf("[%s] %s has closed\n", member->who, member->room);
        NPR_BUILD(built, "normal");
        return npr_stop(self, term_of(built));
    } else if (NPR_MATCH(message, "{'DOWN',_,_,_,_}") || NPR_MATCH(message, "retry")) {
        return member_find_room(self, member);
    } else if (NPR_MATCH(message, "{nprocreg,_,{error,_,_}}")) {
        NPR_BUILD(built, "retry");
        return npr_send_after(self, &pid, term_of(built), RETRY_MS, NULL);
    }
    return NPR_OK;
}

static const struct npr_behaviour member_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct member),
    .init = member_init,
    .info = member_info,
};

/* ---- The terminal. */

/* Rooms that open and close, wherever in the cluster. */
static void print_event(void *user, const struct npr_watch_event *event)
{
    struct npr_bytes room;

    (void)user;
    if (NPR_MATCH(event->key, "{room,~b}", &room)) {
        (void)printf("* %.*s %s\n", (int)room.size, (const char *)room.data,
                     npr_watch_kind_name(event->kind));
    }
}

static npr_status obey(struct npr_node *node,
                       const char *line,
                       struct npr_builder *built,
                       struct npr_error *err)
{
    struct npr_spawn member = {.behaviour = &member_behaviour, .function = "rooms:member"};
    char verb[16] = "";
    char room[NAME_BYTES] = "";
    char who[NAME_BYTES] = "";
    char text[256] = "";
    struct npr_address to = {0};
    struct npr_found found;
    npr_status status;

    (void)sscanf(line, "%15s %63s %63s %255[^\n]", verb, room, who, text);
    npr_builder_reset(built);
    if (strcmp(verb, "enter") == 0) {
        NPR_BUILD(built, "[~b,~b]", room, who);
        member.arguments = term_of(built);
        return npr_node_spawn(node, &member, NULL, err);
    }
    NPR_BUILD(built, "{room,~b}", room);
    status = npr_get_pid(node, term_of(built), NULL, NULL, TIMEOUT_MS, &found, err);
    if (status != NPR_OK) {
        return status;
    }
    to.pid = found.pid;
    npr_builder_reset(built);
    NPR_BUILD(built, "{said,~b,~b}", who, text);
    return npr_node_send(node, &to, term_of(built));
}

int main(int argc, char **argv)
{
    struct npr_node_options options = NPR_NODE_OPTIONS_INIT;
    struct npr_builder *built = npr_builder_create();
    struct npr_subscription subscription;
    struct npr_selector all_rooms;
    struct npr_node *node = NULL;
    struct npr_error err = {0};
    char line[512];

    if (argc < 4) {
        (void)fprintf(stderr, "usage: rooms NAME@HOST COOKIE IDLE_MS [NODE@HOST]...\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    room_behaviour.idle_ms = strtoull(argv[3], NULL, 10);
    options.name = argv[1];
    options.cookie = argv[2];
    options.modules = modules;
    options.modules_count = 1;
    options.join = (const char *const *)argv + 4;
    options.join_count = (size_t)argc - 4;
    NPR_BUILD(built, "{room}");
    all_rooms = npr_select_prefix(term_of(built)); /* borrows what has been built */
    if (npr_node_start(&options, &node, &err) != NPR_OK ||
        npr_subscribe(node, &all_rooms, print_event, NULL, &subscription, &err) != NPR_OK) {
        (void)fprintf(stderr, "rooms: %s\n", err.text);
        return 1;
    }
    (void)printf("ready\n");
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (obey(node, line, built, &err) != NPR_OK) {
            (void)printf("error: %s\n", err.text);
        }
    }
    npr_node_stop(node);
    npr_builder_destroy(built);
    return 0;
}
