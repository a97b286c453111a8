#include "nprocreg/error.h"

const char *npr_status_text(npr_status status)
{
    switch (status) {
#define STATUS_TEXT(name, value, text)                                                             \
    case NPR_##name:                                                                               \
        return text;
        NPR_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *npr_status_name(npr_status status)
{
    switch (status) {
#define STATUS_NAME(name, value, text)                                                             \
    case NPR_##name:                                                                               \
        return #name;
        NPR_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "EUNKNOWN";
}

const char *npr_version(void)
{
    return NPR_VERSION;
}
