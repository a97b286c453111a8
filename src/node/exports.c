#include "node/exports.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/limits.h"
#include "node/commands.h"
#include "runtime/runtime.h"

static npr_status check_name(const char *what, const char *name, struct npr_error *err)
{
    if (name == NULL || name[0] == '\0' || strlen(name) > NPRI_ATOM_CHARS_MAX) {
        return npri_fail(err, NPR_EINVAL, "%s name is empty or over %u bytes", what,
                         NPRI_ATOM_CHARS_MAX);
    }
    return NPR_OK;
}

npr_status npri_module_check(const struct npr_module *module, struct npr_error *err)
{
    npr_status status;

    if (module == NULL) {
        return npri_fail(err, NPR_EINVAL, "a module is NULL");
    }
    if (module->abi != NPR_MODULE_ABI) {
        return npri_fail(err, NPR_EINVAL, "a module was built for ABI %u, this library has %u",
                         (unsigned)module->abi, NPR_MODULE_ABI);
    }
    status = check_name("a module's", module->name, err);
    for (size_t i = 0; status == NPR_OK && i < module->functions_count; i++) {
        const struct npr_function *function = &module->functions[i];

        status = check_name("a function's", function->name, err);
        if (status == NPR_OK && npri_behaviour_fault(function->behaviour) != NULL) {
            status = npri_fail(err, NPR_EINVAL, "function %s: %s", function->name,
                               npri_behaviour_fault(function->behaviour));
        }
        if (status != NPR_OK) {
            return npri_fail_prefix(err, status, "module %s: ", module->name);
        }
    }
    return status;
}

npr_status npri_exports_init(struct npri_exports *exports,
                             const struct npr_module *const *modules,
                             size_t modules_count,
                             struct npr_error *err)
{
    const struct npr_module **copy;

    if (modules_count > 0 && modules == NULL) {
        return npri_fail(err, NPR_EINVAL, "modules_count without modules");
    }
    for (size_t i = 0; i < modules_count; i++) {
        npr_status status = npri_module_check(modules[i], err);

        for (size_t j = 0; status == NPR_OK && j < i; j++) {
            if (strcmp(modules[i]->name, modules[j]->name) == 0) {
                status = npri_fail(err, NPR_EINVAL, "two modules are named %s", modules[i]->name);
            }
        }
        if (status != NPR_OK) {
            return status;
        }
    }
    copy = npri_alloc_zeroed(modules_count, sizeof(const struct npr_module *));
    if (copy == NULL) {
        return npri_fail(err, NPR_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < modules_count; i++) {
        copy[i] = modules[i];
    }
    *exports = (struct npri_exports){.modules = copy, .modules_count = modules_count};
    return NPR_OK;
}

void npri_exports_fini(struct npri_exports *exports)
{
    npri_free((void *)exports->modules);
    *exports = (struct npri_exports){0};
}

const struct npr_function *npri_exports_find(const struct npri_exports *exports,
                                             struct npr_bytes module,
                                             struct npr_bytes name,
                                             uint32_t arity)
{
    for (size_t i = 0; i < exports->modules_count; i++) {
        const struct npr_module *candidate = exports->modules[i];

        if (!npri_bytes_equal(npr_bytes_of(candidate->name), module)) {
            continue;
        }
        for (size_t j = 0; j < candidate->functions_count; j++) {
            const struct npr_function *function = &candidate->functions[j];

            if (function->arity == arity && npri_bytes_equal(npr_bytes_of(function->name), name)) {
                return function;
            }
        }
    }
    return npri_commands_find(exports->commands, module, name, arity);
}
