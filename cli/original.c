#include "original.h"

#include "fail.h"
#include "get.h"
#include "output.h"

static npr_status no_memory(struct npr_error *err)
{
    return fail(err, NPR_ENOMEM, "out of memory");
}

/* A cast of what has been built, and then a call of the same server: when that is answered, the
 * cast was carried out. */
static npr_status cast_and_wait(struct session *session,
                                struct npr_builder *message,
                                struct npr_error *err)
{
    struct npr_builder *request = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term cast = {0};
    struct npr_term call = {0};
    npr_status status = no_memory(err);

    if (request != NULL && reply != NULL) {
        npr_build_atom(request, "get_status");
        status = npr_builder_finish(message, &cast, err);
        if (status == NPR_OK) {
            status = npr_builder_finish(request, &call, err);
        }
        if (status == NPR_OK) {
            status = session_cast_server(session, cast, err);
        }
        if (status == NPR_OK) {
            status = session_call_server(session, call, reply, err);
        }
    }
    npr_builder_destroy(request);
    npr_builder_destroy(reply);
    return status;
}

/* [{Key,Pid}] or [], the key's part of its table. */
static bool read_entries(struct npr_term entries, struct npr_pid *out, bool *out_found)
{
    struct npr_term_walk walk;
    struct npr_term entry;
    struct npr_term parts[2];

    *out_found = npr_term_kind(entries) == NPR_TERM_LIST;
    if (!*out_found) {
        return npr_term_kind(entries) == NPR_TERM_NIL;
    }
    return npr_term_list(entries, &walk) && npr_term_next(&walk, &entry) &&
           npr_term_get_tuple(entry, 2, parts) && npr_term_get_pid(parts[1], out);
}

static npr_status look_up(struct session *session,
                          struct npr_term key,
                          struct npr_pid *out,
                          bool *out_found,
                          struct npr_error *err)
{
    struct npr_builder *args = npr_builder_create();
    struct npr_builder *reply = npr_builder_create();
    struct npr_term term = {0};
    npr_status status = no_memory(err);

    if (args != NULL && reply != NULL) {
        npr_build_list(args, 2);
        npr_build_atom(args, "nprocreg_data");
        npr_build_term(args, key);
        npr_build_nil(args);
        status = npr_builder_finish(args, &term, err);
        if (status == NPR_OK) {
            status = session_rpc(session, "ets", "lookup", term, reply, err);
        }
        if (status == NPR_EEXIT) {
            status = fail_with_reason(reply, err);
        } else if (status == NPR_OK) {
            status = npr_builder_finish(reply, &term, err);
        }
        if (status == NPR_OK && !read_entries(term, out, out_found)) {
            status = fail(err, NPR_EPROTO, "its table has what is no entry");
        }
    }
    npr_builder_destroy(args);
    npr_builder_destroy(reply);
    return status;
}

static npr_status fail_done_otherwise(const struct session *session,
                                      const char *what,
                                      struct npr_error *err)
{
    return fail(err, NPR_EREFUSED, "the table of %.*s %s", (int)session->peer.size,
                session->peer.text, what);
}

/* NPR_OK: the key is free, or the process's already. */
static npr_status check_free(struct session *session,
                             struct npr_term key,
                             const struct npr_pid *pid,
                             struct npr_error *err)
{
    struct got got = {0};
    struct npr_pid other;
    npr_status status = get_open(session, key, &(struct get_start){0}, &got, err);

    if (status == NPR_ENOTFOUND) {
        status = NPR_OK;
    } else if (status == NPR_OK && npr_term_get_pid(got.pid, &other) &&
               !npr_pid_equal(&other, pid)) {
        char *text = output_pid(&other);

        status = fail(err, NPR_EEXIST, "already registered: %s has the key", text);
        free(text);
    }
    get_close(&got);
    return status;
}

npr_status original_register(struct session *session,
                             struct npr_term key,
                             const struct npr_pid *pid,
                             bool replace,
                             struct npr_error *err)
{
    struct npr_builder *message = npr_builder_create();
    struct npr_pid entered;
    bool found = false;
    npr_status status = NPR_OK;

    if (message == NULL) {
        return no_memory(err);
    }
    if (!replace) {
        status = check_free(session, key, pid, err);
    }
    if (status == NPR_OK) {
        npr_build_tuple(message, 3);
        npr_build_atom(message, "register_pid");
        npr_build_term(message, key);
        npr_build_pid(message, pid);
        status = cast_and_wait(session, message, err);
    }
    if (status == NPR_OK) {
        status = look_up(session, key, &entered, &found, err);
    }
    if (status == NPR_OK && (!found || !npr_pid_equal(&entered, pid))) {
        status = fail_done_otherwise(session, "has not taken the entry", err);
    }
    npr_builder_destroy(message);
    return status;
}

npr_status original_unregister(struct session *session, struct npr_term key, struct npr_error *err)
{
    struct npr_builder *message = npr_builder_create();
    struct npr_pid entered;
    bool found = false;
    npr_status status;

    if (message == NULL) {
        return no_memory(err);
    }
    npr_build_tuple(message, 2);
    npr_build_atom(message, "unregister_key");
    npr_build_term(message, key);
    status = cast_and_wait(session, message, err);
    if (status == NPR_OK) {
        status = look_up(session, key, &entered, &found, err);
    }
    if (status == NPR_OK && found) {
        status = fail_done_otherwise(session, "still has an entry of the key", err);
    }
    npr_builder_destroy(message);
    return status;
}
