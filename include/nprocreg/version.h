/* nprocreg/version.h - which release this is, and how symbols are exported. */
#ifndef NPROCREG_VERSION_H
#define NPROCREG_VERSION_H

#define NPR_VERSION_MAJOR 0
#define NPR_VERSION_MINOR 1
#define NPR_VERSION_PATCH 0
#define NPR_VERSION       "0.1.0"

#define NPR_API           __attribute__((visibility("default")))
#define NPR_NODISCARD     __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library in use at run time, e.g. "0.1.0".  Static storage; any thread. */
NPR_API const char *npr_version(void);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_VERSION_H */
