/* Modules from shared objects. */
#include <dlfcn.h>
#include <string.h>

#include "nprocreg/module.h"

#include "base/fail.h"
#include "node/exports.h"

/* dlerror() is per thread, and tells of this thread's last dl call. */
static const char *last_error(void)
{
    const char *text = dlerror(); /* NOLINT(concurrency-mt-unsafe): per thread in glibc */

    return text == NULL ? "unknown error" : text;
}

npr_status npr_module_load(const char *path, const struct npr_module **out, struct npr_error *err)
{
    const struct npr_module *module;
    npr_module_fn function = NULL;
    void *object;
    void *symbol;

    if (path == NULL || path[0] == '\0' || out == NULL) {
        return npri_fail(err, NPR_EINVAL, "no path of a module");
    }
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        if (strchr(path, '/') == NULL) { /* Searched where the system's libraries are. */
            return npri_fail(err, NPR_EINVAL, "module %s: %s (a file in this folder is ./%s)", path,
                             last_error(), path);
        }
        return npri_fail(err, NPR_EINVAL, "module %s: %s", path, last_error());
    }
    symbol = dlsym(object, NPR_MODULE_SYMBOL);
    if (symbol == NULL) {
        (void)npri_fail(err, NPR_EINVAL, "module %s: it does not define %s(): see NPR_MODULE", path,
                        NPR_MODULE_SYMBOL);
        goto fail;
    }
    /* ISO C has no cast from an object's address to a function's; POSIX says that this works. */
    memcpy(&function, &symbol, sizeof(function));
    module = function();
    if (npri_module_check(module, err) != NPR_OK) {
        (void)npri_fail_prefix(err, NPR_EINVAL, "%s: ", path);
        goto fail;
    }
    *out = module;
    return NPR_OK;

fail:
    (void)dlclose(object);
    return NPR_EINVAL;
}
