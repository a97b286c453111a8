#include "node/failure.h"

#include "term/write.h"

#define STATUS_NAME_BYTES_MAX 32u

static const npr_status statuses[] = {
#define STATUS_VALUE(name, value, text) NPR_##name,
    NPR_STATUS_MAP(STATUS_VALUE)
#undef STATUS_VALUE
};

/* "etimedout". */
static struct npr_bytes status_name(npr_status status, char out[STATUS_NAME_BYTES_MAX])
{
    const char *name = npr_status_name(status);
    size_t size = 0;

    for (; name[size] != '\0' && size < STATUS_NAME_BYTES_MAX; size++) {
        out[size] =
            (char)(name[size] >= 'A' && name[size] <= 'Z' ? name[size] - 'A' + 'a' : name[size]);
    }
    return npri_bytes(out, size);
}

void npri_put_status(struct npri_buffer *buffer, npr_status status)
{
    char name[STATUS_NAME_BYTES_MAX];

    npri_put_atom_bytes(buffer, status_name(status, name));
}

bool npri_status_read(struct npr_term term, npr_status *out)
{
    char name[STATUS_NAME_BYTES_MAX];
    struct npr_bytes atom;

    if (!npr_term_get_atom(term, &atom)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (npri_bytes_equal(atom, status_name(statuses[i], name))) {
            *out = statuses[i];
            return true;
        }
    }
    return false;
}

static void put_tagged(struct npri_buffer *buffer,
                       const char *tag,
                       npr_status status,
                       struct npr_bytes text)
{
    npri_put_tuple(buffer, 3);
    npri_put_atom(buffer, tag);
    npri_put_status(buffer, status);
    npri_put_binary(buffer, text);
}

void npri_put_failure(struct npri_buffer *buffer, npr_status status, struct npr_bytes text)
{
    put_tagged(buffer, "nprocreg_error", status, text);
}

void npri_put_error(struct npri_buffer *buffer, npr_status status, struct npr_bytes text)
{
    put_tagged(buffer, "error", status, text);
}
