#include "CLibrary.h"
#include <dlfcn.h>
#include <string.h>

static const char *last_error(void) {
    const char *text = strdup(dlerror());
    return text ? text : "out of memory";
}

struct hecate_library hecate_library_open(const char *name) {
    struct hecate_library library = {dlopen(name, RTLD_LAZY | RTLD_LOCAL), NULL};
    if (!library.handle) library.problem = last_error();
    return library;
}

void *hecate_library_find(struct hecate_library *library, const char *name) {
    if (!library->handle) return NULL;
    void *function = dlsym(library->handle, name);
    if (!function && !library->problem) library->problem = last_error();
    return function;
}
