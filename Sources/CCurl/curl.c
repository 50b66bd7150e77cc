#define CURL_DISABLE_TYPECHECK
#include "CCurl.h"
#include "CLibrary.h"
#include <pthread.h>

static struct {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_reset) *easy_reset;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
} library;
static const char *problem;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    // The name of its binary interface, which has not changed since 2006.
    struct hecate_library file = hecate_library_open("libcurl.so.4");
    library.global_init = hecate_library_find(&file, "curl_global_init");
    library.easy_init = hecate_library_find(&file, "curl_easy_init");
    library.easy_cleanup = hecate_library_find(&file, "curl_easy_cleanup");
    library.easy_reset = hecate_library_find(&file, "curl_easy_reset");
    library.easy_perform = hecate_library_find(&file, "curl_easy_perform");
    library.easy_strerror = hecate_library_find(&file, "curl_easy_strerror");
    library.easy_setopt = hecate_library_find(&file, "curl_easy_setopt");
    library.easy_getinfo = hecate_library_find(&file, "curl_easy_getinfo");
    library.slist_append = hecate_library_find(&file, "curl_slist_append");
    library.slist_free_all = hecate_library_find(&file, "curl_slist_free_all");
    problem = file.problem;
    if (!problem && library.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) problem = "libcurl cannot be initialised";
}

const char *hecate_curl_problem(void) {
    pthread_once(&once, load);
    return problem;
}

CURL *hecate_curl_init(void) { return library.easy_init(); }
void hecate_curl_cleanup(CURL *handle) { library.easy_cleanup(handle); }
void hecate_curl_reset(CURL *handle) { library.easy_reset(handle); }
CURLcode hecate_curl_perform(CURL *handle) { return library.easy_perform(handle); }
const char *hecate_curl_explain(CURLcode code) { return library.easy_strerror(code); }

struct curl_slist *hecate_curl_append(struct curl_slist *list, const char *text) {
    return library.slist_append(list, text);
}
void hecate_curl_free(struct curl_slist *list) { library.slist_free_all(list); }

CURLcode hecate_curl_set_long(CURL *handle, CURLoption option, long value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode hecate_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode hecate_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode hecate_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return library.easy_setopt(handle, option, value);
}
CURLcode hecate_curl_set_write(CURL *handle, CURLoption option, hecate_curl_write callback) {
    return library.easy_setopt(handle, option, callback);
}
CURLcode hecate_curl_set_read(CURL *handle, hecate_curl_read callback) {
    return library.easy_setopt(handle, CURLOPT_READFUNCTION, callback);
}
CURLcode hecate_curl_set_progress(CURL *handle, hecate_curl_progress callback) {
    return library.easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, callback);
}

CURLcode hecate_curl_status(CURL *handle, long *status) {
    return library.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, status);
}
long hecate_curl_retry_after(CURL *handle) {
    curl_off_t seconds = 0;
    return library.easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK ? (long)seconds : 0;
}
