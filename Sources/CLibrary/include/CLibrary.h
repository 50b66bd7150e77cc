#pragma once

/// A shared library that is loaded when it is first used, because most commands need none of it.
struct hecate_library {
    void *handle;
    /// Why it, or a function of it, cannot be had; NULL when nothing is wrong. It stays valid.
    const char *problem;
};

/// Loads a library by the name of its binary interface, such as `libcurl.so.4`.
struct hecate_library hecate_library_open(const char *name);

/// A function of the library; NULL, and the reason in `problem`, when it has none of that name or was not loaded.
void *hecate_library_find(struct hecate_library *library, const char *name);
